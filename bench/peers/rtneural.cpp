/* RTNeural's LSTM beside Weir's on the problems R1 without peepholes that it was compiled for, in turn in one process (beside.h):
 *     rtneural                              prints the name
 *     rtneural THREADS SECONDS PROBLEM...   prints a line of CSV for each problem
 * The sizes are fixed when this is compiled, the flags are RTNeural's own: -O3 -ffast-math. RTNEURAL_USE_EIGEN or RTNEURAL_USE_XSIMD
 * chooses the backend, WITH_NAME the name. Both sides step a stream: one input in, the state of every unit out.
 *
 * SPDX-License-Identifier: MIT */
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include <RTNeural/lstm/lstm.h>

#include "beside.h"

using Rows = std::vector<std::vector<float>>;

static Rows random_rows(size_t rows, size_t columns)
{
    std::mt19937 engine(1);
    std::uniform_real_distribution<float> uniform(-0.1f, 0.1f);
    Rows all(rows, std::vector<float>(columns));
    for (auto &row : all)
        for (auto &x : row)
            x = uniform(engine);
    return all;
}

template <int H>
struct Peer {
    RTNeural::LSTMLayerT<float, 1, H> lstm;
    alignas(64) float x[16] = {0.5f};
    alignas(64) float y[(H + 15) / 16 * 16] = {};

    Peer()
    {
        lstm.setWVals(random_rows(1, 4 * H));
        lstm.setUVals(random_rows(H, 4 * H));
        lstm.setBVals(random_rows(1, 4 * H)[0]);
        lstm.reset();
    }

    static void pass(void *what)
    {
        auto *p = static_cast<Peer *>(what);
#if RTNEURAL_USE_EIGEN
        Eigen::Matrix<float, 1, 1> x;
        x(0) = *static_cast<volatile float *>(p->x); /* an input that the compiler cannot foresee */
        p->lstm.forward(x);
        std::memcpy(p->y, p->lstm.outs.data(), sizeof(float) * H);
#else
        xsimd::simd_type<float> x[1] = {xsimd::simd_type<float>(*static_cast<volatile float *>(p->x))};
        p->lstm.forward(x);
        std::memcpy(p->y, p->lstm.outs, sizeof(float) * H);
#endif
    }
};

template <int H>
static void measure_size(const bench *b, const problem *p)
{
    auto peer = std::make_unique<Peer<H>>();
    put_beside(b, p, Peer<H>::pass, peer.get(), problem_flops(p));
    if (!std::isfinite(peer->y[0]))
        fprintf(stderr, "%s: RTNeural's output is not finite\n", p->text);
}

static void measure(const bench *b, const problem *p)
{
    if (p->kind != 1 || p->layers != 1 || p->inputs != 1 || p->rows != 1 || p->steps != 1 || p->peepholes || p->weights != WEIR_WEIGHTS_F32)
        return;
    switch (p->hidden) {
    case 8: return measure_size<8>(b, p);
    case 16: return measure_size<16>(b, p);
    case 20: return measure_size<20>(b, p);
    case 32: return measure_size<32>(b, p);
    case 64: return measure_size<64>(b, p);
    default: return;
    }
}

int main(int argc, char **argv)
{
    if (argc == 1)
        return puts(WITH_NAME), 0;
    return for_each_problem(argc, argv, WITH_NAME, measure);
}
