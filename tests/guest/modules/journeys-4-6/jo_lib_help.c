// The "library": a product that says when it does not fit.
#include <linux/kernel.h>
#include <linux/overflow.h>
#include "jo_lib.h"

int jo_multiply(int a, int b, int *result)
{
	if (check_mul_overflow(a, b, result)) {
		pr_warn("overflow: %d * %d\n", a, b);
		*result = -1;
		return -1;
	}
	return 0;
}
