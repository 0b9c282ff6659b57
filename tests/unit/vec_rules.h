/* The rules of the vector operations for one instruction set: test_vec.c includes a vec_<isa>.h and then this, with TARGET, BITS (the
 * integer as wide as `real`), SPECIAL (an array of reals) and MATH(name) (libm's function for `real`) defined. Every name that both
 * define gets TARGET in front.
 * SPDX-License-Identifier: MIT */

static BITS NAME(bits)(real x)
{
    BITS bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* What an operation gives in one lane, in plain C. */
static real NAME(rule)(enum operation op, real a, real b, real c)
{
    static const BITS sign = (BITS)1 << (8 * sizeof(real) - 1);
    BITS bits = NAME(bits)(a);
    switch (op) {
    case ADD:
        return a + b;
    case SUB:
        return a - b;
    case MUL:
        return a * b;
    case DIV:
        return a / b;
    case SQRT:
        return MATH(sqrt)(a);
    case FMA:
        return MATH(fma)(a, b, c);
    case RINT:
        return MATH(rint)(a);
    case NEG:
        bits ^= sign;
        break;
    case ABS:
        bits &= ~sign;
        break;
    case COPYSIGN:
        bits = (bits & ~sign) | (NAME(bits)(b) & sign);
        break;
    case LESS:
        return a < b ? 1 : 0;
    case LESS_EQUAL:
        return a <= b ? 1 : 0;
    case SELECT:
        return a < b ? c : a;
    case MIN:
        return a < b ? a : b;
    case MAX:
        return a > b ? a : b;
    case OPERATIONS:
        fail();
    }
    real out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

static vec NAME(operate)(enum operation op, vec a, vec b, vec c)
{
    switch (op) {
    case ADD:
        return v_add(a, b);
    case SUB:
        return v_sub(a, b);
    case MUL:
        return v_mul(a, b);
    case DIV:
        return v_div(a, b);
    case SQRT:
        return v_sqrt(a);
    case FMA:
        return v_fma(a, b, c);
    case RINT:
        return v_rint(a);
    case NEG:
        return v_neg(a);
    case ABS:
        return v_abs(a);
    case COPYSIGN:
        return v_copysign(a, b);
    case LESS:
        return v_select(v_lt(a, b), v_set(1), v_set(0));
    case LESS_EQUAL:
        return v_select(v_le(a, b), v_set(1), v_set(0));
    case SELECT:
        return v_select(v_lt(a, b), c, a);
    case MIN:
        return v_min(a, b);
    case MAX:
        return v_max(a, b);
    case OPERATIONS:
        break;
    }
    return a;
}

/* One call of every operation with another triple in each lane. Arithmetic may give any NaN; the others give just their bits. */
static void NAME(check)(const real *a, const real *b, const real *c)
{
    real out[LANES + 1];
    for (int op = 0; op < OPERATIONS; op++) {
        v_store(out + 1, NAME(operate)((enum operation)op, v_load(a), v_load(b), v_load(c)));
        for (int i = 0; i < LANES; i++) {
            real want = NAME(rule)((enum operation)op, a[i], b[i], c[i]), got = out[i + 1];
            bool any_nan = op <= RINT && isnan(want) && isnan(got);
            if (!any_nan && NAME(bits)(want) != NAME(bits)(got))
                fail_msg("%s of %a, %a, %a in lane %d: %a, not %a", operation_name[op], (double)a[i], (double)b[i], (double)c[i],
                         i, (double)got, (double)want);
        }
    }
}

/* Powers of 2, and the way back. */
static void NAME(test_exponents)(void)
{
    real a[LANES], m[LANES], k[LANES];
    int most = sizeof(real) == 4 ? 127 : 1023;
    for (int n = 1 - most; n <= most; n++) {
        v_store(a, v_pow2_shifted(v_set((real)n + (sizeof(real) == 4 ? (real)0x1.8p23 : (real)0x1.8p52))));
        for (int i = 0; i < LANES; i++) {
            assert_true(a[i] == MATH(ldexp)(1, n));
            a[i] *= 1 + (real)i / LANES;
        }
        vec mantissa, exponent = v_split(v_load(a), &mantissa);
        v_store(m, mantissa);
        v_store(k, exponent);
        for (int i = 0; i < LANES; i++) {
            assert_true((double)m[i] >= 0.70710678 && (double)m[i] < 1.41421357);
            assert_true(MATH(ldexp)(m[i], (int)k[i]) == a[i]);
        }
    }
}

#ifdef WIDE
/* Floats from and to memory, and the comparison of what two doubles round to. */
static void NAME(test_floats)(void)
{
    float in[LANES], out[LANES];
    real exact[LANES];
    for (size_t n = 0; n < sizeof special_floats / sizeof *special_floats; n++) {
        for (size_t i = 0; i < LANES; i++)
            in[i] = special_floats[(n + i) % (sizeof special_floats / sizeof *special_floats)];
        vec x = v_load_float(in);
        v_store(exact, x);
        v_store_float(out, x);
        for (int i = 0; i < LANES; i++)
            assert_true((exact[i] == (double)in[i] && out[i] == in[i]) || isnan(in[i]));
    }
    vec one = v_set(1), above = v_set(1 + 0x1p-25);
    assert_true(v_same_float(one, above));
    assert_false(v_same_float(one, v_set(1 + 0x1.8p-24)));
    for (int lane = 0; lane < LANES; lane++) { /* each lane counts; NaN is the same as nothing */
        for (int i = 0; i < LANES; i++)
            exact[i] = i == lane ? (double)NAN : 1;
        assert_false(v_same_float(v_load(exact), v_load(exact)));
        exact[lane] = 1 + 0x1p-23;
        assert_false(v_same_float(v_load(exact), one));
    }
}
#else
/* Every bfloat16 as itself, and sums of products of 8 bits at their extremes. */
static void NAME(test_narrow)(void)
{
    uint16_t in[2 * LANES + 1];
    real even[LANES], odd[LANES];
    for (uint32_t n = 0; n < 1 << 16; n++) {
        for (uint32_t i = 0; i < 2 * LANES; i++)
            in[i + 1] = (uint16_t)(n + i * 257);
        v_store(even, v_load_even(in + 1));
        v_store(odd, v_load_odd(in + 1));
        for (int i = 0; i < LANES; i++)
            assert_true(NAME(bits)(even[i]) == (uint32_t)in[2 * i + 1] << 16 && NAME(bits)(odd[i]) == (uint32_t)in[2 * i + 2] << 16);
    }
    static const int8_t values[] = {0, 1, -1, 127, -127, 126, 64, -3};
    int8_t w[4 * LANES + 1], x[5];
    real got[LANES];
    for (int n = 0; n < 4096; n++) {
        for (int k = 0; k < 4; k++)
            x[k + 1] = values[n >> (3 * k) & 7];
        for (int i = 0; i < 4 * LANES; i++)
            w[i + 1] = values[(n + i * 5 + i / 4 * 3) % 8];
        v_store(got, i_float(i_dot(i_dot(i_zero(), w + 1, x + 1), w + 1, x + 1)));
        for (int i = 0; i < LANES; i++) {
            int sum = 0;
            for (int k = 0; k < 4; k++)
                sum += 2 * w[4 * i + k + 1] * x[k + 1];
            assert_true(got[i] == (real)sum);
        }
    }
}
#endif

static void NAME(test)(void)
{
#ifndef WIDE
    NAME(test_narrow)();
#endif
    enum { SPECIALS = sizeof SPECIAL / sizeof *SPECIAL };
    real a[LANES + 1], b[LANES + 1], c[LANES + 1]; /* used from [1] on: not aligned */
    size_t next = 0;
    while (next < SPECIALS * SPECIALS * SPECIALS) {
        for (int i = 1; i <= LANES; i++, next++) {
            a[i] = SPECIAL[next % SPECIALS];
            b[i] = SPECIAL[next / SPECIALS % SPECIALS];
            c[i] = SPECIAL[next / SPECIALS / SPECIALS % SPECIALS];
        }
        NAME(check)(a + 1, b + 1, c + 1);
    }
    uint64_t random = 1;
    for (int round = 0; round < 100000; round++) {
        real *const lanes[3] = {a, b, c};
        for (int i = 1; i <= LANES; i++)
            for (int k = 0; k < 3; k++) {
                random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
                BITS bits = (BITS)(random >> (64 - 8 * sizeof(real)));
                memcpy(&lanes[k][i], &bits, sizeof bits);
            }
        NAME(check)(a + 1, b + 1, c + 1);
    }
    NAME(test_exponents)();
#ifdef WIDE
    NAME(test_floats)();
#endif
}

#undef LANES
#undef REAL
#undef WIDE
#undef TARGET
#undef BITS
#undef SPECIAL
#undef MATH
