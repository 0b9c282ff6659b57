/* Models and runs: shapes, lengths, initial states, and every argument that is refused.
 * SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <weir.h>

#include "tensors.h"

enum { T = 9, B = 4, I = 3, H = 6, P = 4, MOST = T * B * 16 };

static uint32_t noise = 7;

static float real(void)
{
    noise = noise * 1664525 + 1013904223;
    return (float)(noise >> 8) / 8388608 - 1;
}

static weir_model *model_of(weir_config c)
{
    weir_model *m;
    weir_error err;
    if (weir_model_new(&m, &c, NULL, 0, &err))
        fail_msg("%s", err.text);
    return m;
}

static float x[T * B * I];

static int fill(void **state)
{
    (void)state;
    for (size_t i = 0; i < T * B * I; i++)
        x[i] = real();
    return 0;
}

static void shapes_are_as_written(void **state)
{
    (void)state;
    weir_model *m = model_of((weir_config){.inputs = I,
                                           .hidden = H,
                                           .projection = P,
                                           .layers = 2,
                                           .direction = WEIR_BOTH,
                                           .dense_layers = 1,
                                           .dense = {{.units = 5, .activation = {.id = WEIR_PRELU}}},
                                           .outputs = 2,
                                           .output = WEIR_GAUSSIAN});
    static const struct {
        const char *name;
        size_t rows, cols;
    } expected[] = {
        {"lstm.weight_ih_l0", 4 * H, I},
        {"lstm.weight_hh_l0", 4 * H, P},
        {"lstm.bias_ih_l0", 0, 4 * H},
        {"lstm.peephole_l0", 3, H},
        {"lstm.weight_hr_l0", P, H},
        {"lstm.weight_ih_l0_reverse", 4 * H, I},
        {"lstm.weight_hh_l0_reverse", 4 * H, P},
        {"lstm.bias_ih_l0_reverse", 0, 4 * H},
        {"lstm.peephole_l0_reverse", 3, H},
        {"lstm.weight_hr_l0_reverse", P, H},
        {"lstm.weight_ih_l1", 4 * H, 2 * P},
        {"lstm.weight_hh_l1", 4 * H, P},
        {"lstm.bias_ih_l1", 0, 4 * H},
        {"lstm.peephole_l1", 3, H},
        {"lstm.weight_hr_l1", P, H},
        {"lstm.weight_ih_l1_reverse", 4 * H, 2 * P},
        {"lstm.weight_hh_l1_reverse", 4 * H, P},
        {"lstm.bias_ih_l1_reverse", 0, 4 * H},
        {"lstm.peephole_l1_reverse", 3, H},
        {"lstm.weight_hr_l1_reverse", P, H},
        {"head.0.weight", 5, 2 * P},
        {"head.0.bias", 0, 5},
        {"head.0.slope", 0, 5},
        {"head.1.weight", 4, 5},
        {"head.1.bias", 0, 4},
    };
    size_t weights = 0, count = sizeof expected / sizeof *expected;
    assert_int_equal(weir_model_tensor_count(m), count);
    for (size_t i = 0; i < count; i++) {
        weir_tensor t = whole_tensor(m, i);
        assert_string_equal(t.name, expected[i].name);
        assert_int_equal(t.rows, expected[i].rows);
        assert_int_equal(t.cols, expected[i].cols);
        weights += (t.rows ? t.rows : 1) * t.cols;
        for (size_t j = 0; j < t.cols; j++)
            assert_true(isfinite(t.data[j]));
        free_tensor(t);
    }
    assert_int_equal(weir_model_parameters(m), weights);
    assert_int_equal(weir_model_outputs(m), 4);
    weir_model_free(m);
}

static void defaults_are_filled_in(void **state)
{
    (void)state;
    weir_model *m = model_of((weir_config){.inputs = 2});
    const weir_config *c = weir_model_config(m);
    assert_int_equal(c->layers, 1);
    assert_int_equal(c->hidden, 128);
    assert_int_equal(c->gate.id, WEIR_SIGMOID);
    assert_int_equal(c->candidate.id, WEIR_TANH);
    assert_int_equal(c->output_activation.id, WEIR_TANH);
    assert_int_equal(c->seed, 1);
    assert_string_equal(c->notes, "");
    assert_int_equal(weir_model_outputs(m), 128);
    weir_tensor bias = whole_tensor(m, 2);
    for (size_t j = 0; j < 512; j++) /* the forget gate starts open */
        assert_true(bias.data[j] == (j / 128 == 1 ? 1.0f : 0.0f));
    free_tensor(bias);
    weir_model_free(m);
}

/* Runs row `row` of x alone, its first `steps` steps. */
static void run_alone(const weir_model *m, size_t row, size_t steps, const float *h0, const float *c0, float *y, float *h,
                      float *c)
{
    static float mine[T * I];
    for (size_t t = 0; t < steps; t++)
        memcpy(mine + t * I, x + (t * B + row) * I, I * sizeof *mine);
    weir_batch b = {.steps = steps, .rows = 1, .x = mine, .h0 = h0, .c0 = c0};
    assert_int_equal(weir_model_run(m, &b, y, h, c, NULL, NULL), WEIR_OK);
}

/* Every row of a batch with lengths gives the bits it gives alone; past the end 0; the state is that of the last real step. */
static void a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    static const uint32_t lengths[B] = {5, 9, 1, 7};
    for (int direction = WEIR_FORWARD; direction <= WEIR_BOTH; direction++)
        for (int readout = WEIR_EVERY_STEP; readout <= WEIR_FINAL_STATE; readout++) {
            weir_model *m = model_of((weir_config){.inputs = I,
                                                   .hidden = H,
                                                   .layers = 2,
                                                   .direction = (weir_direction)direction,
                                                   .readout = (weir_readout)readout,
                                                   .outputs = 3,
                                                   .output = WEIR_LOGISTIC});
            size_t lanes = direction == WEIR_BOTH ? 4 : 2;
            float y[MOST], h[4 * B * H], c[4 * B * H], h0[4 * B * H], c0[4 * B * H];
            for (size_t i = 0; i < 4 * B * H; i++) {
                h0[i] = real();
                c0[i] = real();
            }
            weir_batch b = {.steps = T, .rows = B, .x = x, .lengths = lengths, .h0 = h0, .c0 = c0};
            assert_int_equal(weir_model_run(m, &b, y, h, c, NULL, NULL), WEIR_OK);
            for (size_t r = 0; r < B; r++) {
                float y1[MOST], h1[4 * H], c1[4 * H], mine_h[4 * H], mine_c[4 * H];
                for (size_t lane = 0; lane < lanes; lane++) {
                    memcpy(mine_h + lane * H, h0 + (lane * B + r) * H, H * sizeof *h0);
                    memcpy(mine_c + lane * H, c0 + (lane * B + r) * H, H * sizeof *c0);
                }
                run_alone(m, r, lengths[r], mine_h, mine_c, y1, h1, c1);
                for (size_t lane = 0; lane < lanes; lane++) {
                    assert_memory_equal(h + (lane * B + r) * H, h1 + lane * H, H * sizeof *h);
                    assert_memory_equal(c + (lane * B + r) * H, c1 + lane * H, H * sizeof *c);
                }
                if (readout == WEIR_FINAL_STATE)
                    assert_memory_equal(y + r * 3, y1, 3 * sizeof *y);
                else
                    for (size_t t = 0; t < T; t++)
                        for (size_t o = 0; o < 3; o++)
                            assert_true(y[(t * B + r) * 3 + o] == (t < lengths[r] ? y1[t * 3 + o] : 0));
            }
            weir_model_free(m);
        }
}

static void length_0_keeps_the_initial_state(void **state)
{
    (void)state;
    static const uint32_t lengths[B] = {0, 3, 0, 9};
    weir_model *m = model_of((weir_config){.inputs = I, .hidden = H, .projection = P, .direction = WEIR_BOTH});
    float h0[2 * B * P], c0[2 * B * H], h[2 * B * P], c[2 * B * H], y[T * B * 2 * P];
    for (size_t i = 0; i < 2 * B * P; i++)
        h0[i] = real();
    for (size_t i = 0; i < 2 * B * H; i++)
        c0[i] = real();
    weir_batch b = {.steps = T, .rows = B, .x = x, .lengths = lengths, .h0 = h0, .c0 = c0};
    assert_int_equal(weir_model_run(m, &b, y, h, c, NULL, NULL), WEIR_OK);
    for (size_t d = 0; d < 2; d++)
        for (size_t r = 0; r < B; r++) {
            bool kept = !memcmp(h + (d * B + r) * P, h0 + (d * B + r) * P, P * sizeof *h) &&
                        !memcmp(c + (d * B + r) * H, c0 + (d * B + r) * H, H * sizeof *c);
            assert_int_equal(kept, lengths[r] == 0);
        }
    for (size_t t = 0; t < T; t++)
        for (size_t j = 0; j < 2 * P; j++)
            assert_true(y[(t * B + 2) * 2 * P + j] == 0);
    weir_model_free(m);
}

/* Steps after a row's end are not read: they may hold anything. */
static void what_lies_past_the_end_is_not_read(void **state)
{
    (void)state;
    static const uint32_t lengths[B] = {2, 9, 4, 0};
    weir_model *m = model_of((weir_config){.inputs = I, .hidden = H, .layers = 2, .direction = WEIR_BOTH, .outputs = 2});
    float y[2][T * B * 2], broken[T * B * I];
    memcpy(broken, x, sizeof broken);
    for (size_t t = 0; t < T; t++)
        for (size_t r = 0; r < B; r++)
            if (t >= lengths[r])
                broken[(t * B + r) * I] = NAN;
    for (int i = 0; i < 2; i++) {
        weir_batch b = {.steps = T, .rows = B, .x = i ? broken : x, .lengths = lengths};
        assert_int_equal(weir_model_run(m, &b, y[i], NULL, NULL, NULL, NULL), WEIR_OK);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    weir_model_free(m);
}

static void a_run_in_two_halves_is_the_whole(void **state)
{
    (void)state;
    weir_model *m = model_of((weir_config){.inputs = I, .hidden = H, .layers = 2, .outputs = 2});
    float whole[T * B * 2], halves[T * B * 2], h[2 * B * H], c[2 * B * H], h_end[2 * B * H], c_end[2 * B * H];
    weir_batch b = {.steps = T, .rows = B, .x = x};
    assert_int_equal(weir_model_run(m, &b, whole, h_end, c_end, NULL, NULL), WEIR_OK);
    b.steps = 4;
    assert_int_equal(weir_model_run(m, &b, halves, h, c, NULL, NULL), WEIR_OK);
    float h_mid[2 * B * H], c_mid[2 * B * H];
    memcpy(h_mid, h, sizeof h);
    memcpy(c_mid, c, sizeof c);
    b = (weir_batch){.steps = T - 4, .rows = B, .x = x + (size_t)4 * B * I, .h0 = h_mid, .c0 = c_mid};
    assert_int_equal(weir_model_run(m, &b, halves + (size_t)4 * B * 2, h, c, NULL, NULL), WEIR_OK);
    assert_memory_equal(whole, halves, sizeof whole);
    assert_memory_equal(h, h_end, sizeof h);
    assert_memory_equal(c, c_end, sizeof c);
    weir_model_free(m);
}

static void tokens_are_one_hot_vectors(void **state)
{
    (void)state;
    enum { N = 5 };
    weir_model *real_model = model_of((weir_config){.inputs = N, .hidden = H});
    weir_config c = *weir_model_config(real_model);
    c.inputs = 0;
    c.tokens = N;
    c.allocator = NULL;
    weir_tensor tensors[4];
    for (size_t i = 0; i < 4; i++)
        tensors[i] = whole_tensor(real_model, i);
    weir_model *token_model;
    assert_int_equal(weir_model_new(&token_model, &c, tensors, 4, NULL), WEIR_OK);
    for (size_t i = 0; i < 4; i++)
        free_tensor(tensors[i]);
    uint32_t ids[T * B];
    float one_hot[T * B * N] = {0}, y[2][T * B * H];
    for (size_t i = 0; i < T * B; i++) {
        ids[i] = i % 11 == 3 ? UINT32_MAX : (uint32_t)(i % 7); /* some are outside the vocabulary: all zero */
        if (ids[i] < N)
            one_hot[i * N + ids[i]] = 1;
    }
    weir_batch b = {.steps = T, .rows = B, .x = one_hot};
    assert_int_equal(weir_model_run(real_model, &b, y[0], NULL, NULL, NULL, NULL), WEIR_OK);
    b = (weir_batch){.steps = T, .rows = B, .tokens = ids};
    assert_int_equal(weir_model_run(token_model, &b, y[1], NULL, NULL, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < T * B * H; i++)
        assert_true(fabsf(y[0][i] - y[1][i]) < 1e-6f);
    weir_model_free(real_model);
    weir_model_free(token_model);
}

static void softmax_and_gaussian_outputs_have_their_ranges(void **state)
{
    (void)state;
    float y[T * B * 6];
    weir_batch b = {.steps = T, .rows = B, .x = x};
    weir_model *m = model_of((weir_config){
        .inputs = I, .hidden = H, .outputs = 6, .output = WEIR_SOFTMAX, .init = WEIR_INIT_UNIFORM, .init_scale = 30});
    assert_int_equal(weir_model_run(m, &b, y, NULL, NULL, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < T * B; i++) {
        float sum = 0;
        for (size_t o = 0; o < 6; o++) {
            assert_true(y[i * 6 + o] >= 0);
            sum += y[i * 6 + o];
        }
        assert_true(fabsf(sum - 1) < 1e-5f);
    }
    weir_model_free(m);
    m = model_of((weir_config){
        .inputs = I, .hidden = H, .outputs = 3, .output = WEIR_GAUSSIAN, .init = WEIR_INIT_UNIFORM, .init_scale = 30});
    assert_int_equal(weir_model_run(m, &b, y, NULL, NULL, NULL, NULL), WEIR_OK);
    for (size_t i = 0; i < T * B; i++)
        for (size_t o = 3; o < 6; o++)
            assert_true(y[i * 6 + o] >= 1e-4f);
    weir_model_free(m);
}

/* ---- Refusals ---- */

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    static const struct {
        weir_config config;
        const char *says;
    } bad[] = {
        {{0}, "inputs and tokens"},
        {{.inputs = 1, .tokens = 1}, "inputs and tokens"},
        {{.inputs = WEIR_MAX_UNITS + 1}, "inputs"},
        {{.tokens = WEIR_MAX_TOKENS + 1}, "tokens"},
        {{.inputs = 1, .layers = WEIR_MAX_LAYERS + 1}, "layers"},
        {{.inputs = 1, .hidden = WEIR_MAX_UNITS + 1}, "hidden"},
        {{.inputs = 1, .hidden = 4, .projection = 4}, "projection"},
        {{.inputs = 1, .hidden = 1, .projection = 1}, "projection"},
        {{.inputs = 1, .direction = (weir_direction)3}, "direction"},
        {{.inputs = 1, .direction = (weir_direction)-1}, "direction"},
        {{.inputs = 1, .no_forget_gate = true, .coupled = true}, "coupled"},
        {{.inputs = 1, .gate = {.id = (weir_activation_id)99}}, "gate"},
        {{.inputs = 1, .candidate = {.id = (weir_activation_id)-1}}, "candidate"},
        {{.inputs = 1, .output_activation = {.id = WEIR_ELU, .alpha = NAN}}, "output_activation"},
        {{.inputs = 1, .gate = {.id = WEIR_ELU, .beta = INFINITY}}, "gate"},
        {{.inputs = 1, .activation_clip = -1}, "activation_clip"},
        {{.inputs = 1, .activation_clip = NAN}, "activation_clip"},
        {{.inputs = 1, .cell_clip = INFINITY}, "cell_clip"},
        {{.inputs = 1, .dense_layers = WEIR_MAX_DENSE + 1, .outputs = 1}, "dense_layers"},
        {{.inputs = 1, .dense_layers = 1, .outputs = 1}, "dense units"},
        {{.inputs = 1, .dense_layers = 1, .dense = {{.units = 2}}}, "outputs"},
        {{.inputs = 1, .dense_layers = 1, .dense = {{.units = 2, .activation = {.id = (weir_activation_id)50}}}, .outputs = 1},
         "dense"},
        {{.inputs = 1, .outputs = WEIR_MAX_UNITS + 1}, "outputs"},
        {{.inputs = 1, .outputs = 1, .output = WEIR_SOFTMAX}, "softmax"},
        {{.inputs = 1, .output = (weir_output)(WEIR_NEGATIVE_BINOMIAL + 1)}, "output"},
        {{.inputs = 1, .readout = (weir_readout)2}, "readout"},
        {{.inputs = 1, .init = (weir_init)5}, "init"},
        {{.inputs = 1, .init_scale = -0.1f}, "init_scale"},
        {{.inputs = 1, .init_scale = NAN}, "init_scale"},
        {{.inputs = 1, .set_gate_bias = true, .gate_bias = {0, NAN, 0, 0}}, "gate_bias[1]"},
        {{.inputs = 1, .isa = (weir_isa)6}, "isa"},
        {{.inputs = 1, .reserved = {0, 0, 0, 1}}, "reserved"},
        {{.tokens = WEIR_MAX_TOKENS, .hidden = WEIR_MAX_UNITS, .layers = WEIR_MAX_LAYERS}, "weights"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        weir_model *m = (weir_model *)&m;
        weir_error err = {0};
        weir_status status = weir_model_new(&m, &bad[i].config, NULL, 0, &err);
        if (status != WEIR_E_ARGUMENT || err.status != status || m || !strstr(err.text, bad[i].says))
            fail_msg("bad configuration %zu, which should be refused for \"%s\", gives %d: %s", i, bad[i].says, status, err.text);
        assert_int_equal(weir_model_new(&m, &bad[i].config, NULL, 0, NULL), WEIR_E_ARGUMENT);
    }
}

static void an_instruction_set_that_is_not_there_is_refused(void **state)
{
    (void)state;
    for (int isa = WEIR_ISA_BEST; isa <= WEIR_ISA_REF64; isa++) {
        weir_model *m;
        weir_error err;
        weir_config c = {.inputs = 1, .hidden = 2, .isa = (weir_isa)isa};
        weir_status status = weir_model_new(&m, &c, NULL, 0, &err);
        assert_int_equal(status, weir_isa_available((weir_isa)isa) ? WEIR_OK : WEIR_E_UNSUPPORTED);
        weir_model_free(m);
    }
}

static void notes_are_kept_and_their_size_is_checked(void **state)
{
    (void)state;
    enum { MOST_NOTES = 1 << 20 };
    char *notes = malloc(MOST_NOTES + 2);
    assert_non_null(notes);
    memset(notes, 'a', MOST_NOTES + 1);
    notes[MOST_NOTES + 1] = 0;
    weir_model *m;
    weir_error err;
    weir_config c = {.inputs = 1, .hidden = 1, .notes = notes};
    assert_int_equal(weir_model_new(&m, &c, NULL, 0, &err), WEIR_E_ARGUMENT);
    assert_non_null(strstr(err.text, "notes"));
    notes[MOST_NOTES] = 0;
    assert_int_equal(weir_model_new(&m, &c, NULL, 0, &err), WEIR_OK);
    notes[0] = 'b';
    assert_int_equal(weir_model_config(m)->notes[0], 'a');
    weir_model_free(m);
    free(notes);
}

static void bad_tensors_are_refused(void **state)
{
    (void)state;
    weir_model *m = model_of((weir_config){.inputs = 2, .hidden = 3, .outputs = 1}), *made;
    weir_config c = {.inputs = 2, .hidden = 3, .outputs = 1};
    enum { N = 6 };
    assert_int_equal(weir_model_tensor_count(m), N);
    weir_tensor good[N], t[N + 1];
    for (size_t i = 0; i < N; i++)
        good[N - 1 - i] = whole_tensor(m, i); /* any order */
    assert_int_equal(weir_model_new(&made, &c, good, N, NULL), WEIR_OK);
    for (size_t i = 0; i < N; i++) {
        weir_tensor a = whole_tensor(m, i), b = whole_tensor(made, i);
        assert_memory_equal(a.data, b.data, numbers(&a) * sizeof(float));
        free_tensor(a);
        free_tensor(b);
    }
    weir_model_free(made);

    float broken[64] = {0};
    broken[2] = NAN;
    for (int fault = 0; fault < 7; fault++) {
        weir_error err = {0};
        size_t count = N;
        memcpy(t, good, sizeof good);
        switch (fault) {
        case 0:
            t[2].name[0] = 'x';
            break;
        case 1:
            t[3].cols++;
            break;
        case 2:
            t[0].rows++;
            break;
        case 3:
            t[4].data = broken;
            break;
        case 4:
            count = N - 1;
            break;
        case 5:
            t[1] = t[0]; /* one twice, one missing */
            break;
        default:
            t[N] = t[0];
            count = N + 1;
        }
        weir_status status = weir_model_new(&made, &c, t, count, &err);
        if (status != (fault == 3 ? WEIR_E_NONFINITE : WEIR_E_ARGUMENT) || made || !err.text[0])
            fail_msg("fault %d of the tensors gives %d: %s", fault, status, err.text);
    }
    for (size_t i = 0; i < N; i++)
        free_tensor(good[i]);
    weir_model_free(m);
}

static void bad_batches_are_refused_and_nothing_is_written(void **state)
{
    (void)state;
    weir_model *reals = model_of((weir_config){.inputs = I, .hidden = H}),
               *tokens = model_of((weir_config){.tokens = 4, .hidden = H});
    static const uint32_t too_long[B] = {1, T + 1, 0, 2}, ids[T * B];
    const struct {
        const weir_model *model;
        weir_batch batch;
        const char *says;
    } bad[] = {
        {reals, {.steps = 0, .rows = B, .x = x}, "steps"},
        {reals, {.steps = T, .rows = 0, .x = x}, "rows"},
        {reals, {.steps = T, .rows = B}, "x"},
        {reals, {.steps = T, .rows = B, .tokens = ids}, "x"},
        {tokens, {.steps = T, .rows = B, .x = x}, "tokens"},
        {reals, {.steps = T, .rows = B, .x = x, .lengths = too_long}, "lengths[1]"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        float y[T * B * H], untouched[T * B * H];
        memset(y, 0x55, sizeof y);
        memset(untouched, 0x55, sizeof untouched);
        weir_error err = {0};
        weir_status status = weir_model_run(bad[i].model, &bad[i].batch, y, NULL, NULL, NULL, &err);
        if (status != WEIR_E_ARGUMENT || !strstr(err.text, bad[i].says))
            fail_msg("bad batch %zu, which should be refused for \"%s\", gives %d: %s", i, bad[i].says, status, err.text);
        assert_memory_equal(y, untouched, sizeof y);
    }
    weir_model_free(reals);
    weir_model_free(tokens);
}

static void carry_has_no_meaning_in_a_run(void **state)
{
    (void)state;
    weir_model *m = model_of((weir_config){.inputs = I, .hidden = H});
    float h0[B * H], c0[B * H], y[2][T * B * H];
    for (size_t i = 0; i < B * H; i++) {
        h0[i] = real();
        c0[i] = real();
    }
    for (int carry = 0; carry < 2; carry++) {
        weir_batch b = {.steps = T, .rows = B, .x = x, .h0 = h0, .c0 = c0, .carry = carry};
        assert_int_equal(weir_model_run(m, &b, y[carry], NULL, NULL, NULL, NULL), WEIR_OK);
    }
    assert_memory_equal(y[0], y[1], sizeof y[0]);
    weir_model_free(m);
}

static void sizes_that_overflow_end_in_an_error(void **state)
{
    (void)state;
    weir_model *m = model_of((weir_config){.inputs = I, .hidden = H});
    weir_error err;
    weir_batch b = {.steps = SIZE_MAX / 2, .rows = SIZE_MAX / 2, .x = x};
    assert_int_equal(weir_model_run(m, &b, NULL, NULL, NULL, NULL, &err), WEIR_E_NOMEM);
    weir_model_free(m);
}

/* ---- Memory that runs out ---- */

struct budget {
    long left; /* allocations until the failure */
    long live;
    size_t bytes, most; /* allocated now, and at the worst moment */
};

static void *limited_alloc(void *ctx, size_t size, size_t align)
{
    struct budget *b = ctx;
    if (b->left-- <= 0)
        return NULL;
    void *p = NULL;
    if (posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size ? size : 1))
        return NULL;
    b->live++;
    b->bytes += size;
    b->most = b->most > b->bytes ? b->most : b->bytes;
    return p;
}

static void limited_free(void *ctx, void *p, size_t size)
{
    struct budget *b = ctx;
    if (p) {
        b->live--;
        b->bytes -= size;
    }
    free(p);
}

static void every_failing_allocation_ends_cleanly(void **state)
{
    (void)state;
    struct budget budget = {0};
    weir_allocator a = {limited_alloc, limited_free, &budget};
    weir_config c = {.inputs = I,
                     .hidden = H,
                     .projection = P,
                     .layers = 2,
                     .direction = WEIR_BOTH,
                     .outputs = 2,
                     .notes = "text",
                     .gate = {.id = WEIR_PRELU},
                     .dense_layers = 1,
                     .dense = {{.units = 3}},
                     .allocator = &a};
    long n = 0, limit = 10000;
    for (weir_model *m = NULL; !m; n++) {
        budget.left = n;
        weir_error err;
        weir_status status = weir_model_new(&m, &c, NULL, 0, &err);
        assert_true(n < limit);
        assert_int_equal(status, m ? WEIR_OK : WEIR_E_NOMEM);
        if (!m) {
            assert_int_equal(budget.live, 0);
            continue;
        }
        long of_model = budget.live, runs = 0;
        float y[T * B * 2];
        weir_batch b = {.steps = T, .rows = B, .x = x};
        do {
            budget.left = runs++;
            status = weir_model_run(m, &b, y, NULL, NULL, NULL, &err);
            assert_true(status == WEIR_OK || status == WEIR_E_NOMEM);
            assert_int_equal(budget.live, of_model);
            assert_true(runs < limit);
        } while (status);
        assert_true(runs > 1);
        weir_model_free(m);
        assert_int_equal(budget.live, 0);
    }
    assert_true(n > 1);
}

static void a_model_holds_its_weights_once(void **state)
{
    (void)state;
    struct budget budget = {.left = 1000};
    weir_allocator a = {limited_alloc, limited_free, &budget};
    enum { TINY = 4096, ROWS = 2, STEPS = 3 };
    static float in[STEPS * ROWS * 64], out[STEPS * ROWS * 256];
    weir_config c = {.inputs = 64, .hidden = 256, .layers = 2, .allocator = &a};
    weir_model *first = model_of(c), *m;
    enum { N = 8 };
    weir_tensor tensors[N];
    assert_int_equal(weir_model_tensor_count(first), N);
    for (size_t i = 0; i < N; i++)
        tensors[i] = whole_tensor(first, i);
    size_t weights = weir_model_parameters(first) * sizeof(float);
    assert_true(budget.bytes < weights + TINY);
    weir_model_free(first);
    budget.most = 0;
    assert_int_equal(weir_model_new(&m, &c, tensors, N, NULL), WEIR_OK); /* from the caller's arrays, not even while it is made */
    assert_true(budget.most < weights + TINY);
    assert_int_equal(weir_model_run(m, &(weir_batch){.steps = STEPS, .rows = ROWS, .x = in}, out, NULL, NULL, NULL, NULL), WEIR_OK);
    size_t row_step = 64 + 4 * 256 + 2 * 256; /* x, z, h of two layers */
    size_t state_of_row = 6 * 256;            /* h and c of two layers, and the cell states at work */
    assert_true(budget.most < weights + (STEPS * row_step * 2 + state_of_row * 2) * ROWS * sizeof(float) + TINY);
    weir_model_free(m);
    assert_int_equal(budget.bytes, 0);
    for (size_t i = 0; i < N; i++)
        free_tensor(tensors[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_holds_its_weights_once),
        cmocka_unit_test(shapes_are_as_written),
        cmocka_unit_test(defaults_are_filled_in),
        cmocka_unit_test(a_row_does_not_depend_on_its_neighbours),
        cmocka_unit_test(length_0_keeps_the_initial_state),
        cmocka_unit_test(what_lies_past_the_end_is_not_read),
        cmocka_unit_test(a_run_in_two_halves_is_the_whole),
        cmocka_unit_test(tokens_are_one_hot_vectors),
        cmocka_unit_test(softmax_and_gaussian_outputs_have_their_ranges),
        cmocka_unit_test(bad_configurations_are_refused),
        cmocka_unit_test(an_instruction_set_that_is_not_there_is_refused),
        cmocka_unit_test(notes_are_kept_and_their_size_is_checked),
        cmocka_unit_test(bad_tensors_are_refused),
        cmocka_unit_test(bad_batches_are_refused_and_nothing_is_written),
        cmocka_unit_test(carry_has_no_meaning_in_a_run),
        cmocka_unit_test(sizes_that_overflow_end_in_an_error),
        cmocka_unit_test(every_failing_allocation_ends_cleanly),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
