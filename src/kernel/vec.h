/* The vector operations of one instruction set. Each vec_<isa>.h defines, for `LANES` lanes of `real`, which is float:
 *
 *     v_load(p) v_store(p, x)           unaligned memory
 *     v_set(s)                          all lanes s
 *     v_add v_sub v_mul v_div v_sqrt    correctly rounded
 *     v_fma(a, b, c)                    a b + c, rounded once
 *     v_neg v_abs v_copysign(m, s)      signs: bits only, NaN included
 *     v_lt(a, b) v_le(a, b)             mask; false where either is NaN
 *     v_select(m, a, b)                 m ? a : b
 *     v_min(a, b) v_max(a, b)           a < b ? a : b, a > b ? a : b: b where either is NaN
 *     v_rint(x)                         to the nearest integer, ties to even
 *     v_pow2_shifted(t)                 2^n for t = n + 1.5 * 2^23, n in [-126, 127]; any bits for anything else
 *     v_load_even(p) v_load_odd(p)      the even, the odd ones of 2 LANES bfloat16s, exactly
 *     v_split(x, &m)                    k and m with x = 2^k m, m in [sqrt 1/2, sqrt 2), for a normal x > 0; any numbers for anything else
 *
 * and on vectors `ivec` of LANES integers of 32 bits, exactly:
 *
 *     i_zero()
 *     i_dot(s, w, x)                    s[lane] + w[lane][0] x[0] + ... + w[lane][3] x[3], for w 4 LANES and x 4 bytes, none -128
 *     i_float(s)                        to the nearest float, ties to even
 *
 * and each vec_<isa>_wide.h the same for lanes of double (with 2^52 and [-1022, 1023] in v_pow2_shifted), and
 *
 *     v_load_float(p) v_store_float(p, x)   LANES floats, exactly from them, rounded to them
 *     v_same_float(a, b)                whether all lanes of a and b round to the same float, and none is NaN
 *
 * Nothing else knows about instruction sets. Only operations whose result IEEE 754 fixes are allowed: that is why all targets give the
 * same bits.
 *
 * SPDX-License-Identifier: MIT */
