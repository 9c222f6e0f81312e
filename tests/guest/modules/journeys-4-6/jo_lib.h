int jo_multiply(int a, int b, int *result);
