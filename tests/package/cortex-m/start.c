/* Start of a program on QEMU's board mps2-an386 (Cortex-M4 with FPU): vectors, floating point on, newlib over semihosting.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <malloc.h>
#include <stdint.h>

extern int main(void);
extern void initialise_monitor_handles(void);
extern void exit(int status) __attribute__((noreturn));
extern uint32_t stack_top;

/* newlib's aligned_alloc calls it, but newlib has none. */
int posix_memalign(void **out, size_t align, size_t size)
{
    *out = memalign(align, size);
    return *out ? 0 : ENOMEM;
}

void start(void);

__attribute__((section(".vectors"), used)) static void (*const vectors[2])(void) = {(void (*)(void)) & stack_top, start};

void start(void)
{
#if defined __ARM_FP
    *(volatile uint32_t *)0xE000ED88 |= 0xFu << 20; /* CPACR: full access to the FPU (ARMv7-M, B3.2.20) */
    __asm__ volatile("dsb\n isb");
#endif
    initialise_monitor_handles();
    exit(main());
}
