/* The vector operations of one instruction set. Each vec_<isa>.h defines, for `LANES` lanes of `real`:
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
 *     v_pow2(n)                         2^n for an integral n in [-126, 127]; any bits for anything else
 *
 * Nothing else knows about instruction sets. Only operations whose result IEEE 754 fixes are allowed: that is why all targets give the
 * same bits. The reference target (double, one lane) has no v_pow2: its exponentials are libm's.
 *
 * SPDX-License-Identifier: MIT */
