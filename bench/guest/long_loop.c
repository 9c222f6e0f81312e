/* Loops that are entered once and never left: what a program that computes for long looks like to a translator. One a word on the command line. */
#include <stdint.h>
#include <string.h>
#include <unistd.h>

static uint32_t table[4096];
static double cell[512];

static void loop_int(void)
{
	uint32_t x = 1, sum = 0;
	for (;;) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		if (x & 1)
			sum += table[x >> 20];
		else
			table[x >> 20] = sum ^ x;
	}
}
static void loop_fp(void)
{
	double at = 0.5;
	for (;;)
		for (int i = 1; i < 511; i++) {
			at = 3.9 * at * (1 - at);
			cell[i] = 0.25 * cell[i - 1] + 0.5 * cell[i] + 0.25 * cell[i + 1] + 1e-9 * at;
		}
}
/* Straight from one iteration to the next, no inner loop: calls and indirect jumps in it. */
__attribute__((noinline)) static uint32_t step(uint32_t x, uint32_t y)
{
	return (x ^ (y >> 3)) * 2654435761u;
}
static void loop_calls(void)
{
	uint32_t x = 7, y = 0;
	for (;;) {
		switch (x >> 29) {
		case 0: y += step(x, y); break;
		case 1: y ^= x << 3; break;
		case 2: y -= table[x & 4095]; break;
		case 3: table[y & 4095] = x; break;
		case 4: y = step(y, x) + 1; break;
		case 5: y = ~y; break;
		case 6: y |= x & 0xff; break;
		default: y = y << 1 | y >> 31;
		}
		x = x * 1664525 + 1013904223 + y;
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "int";
	for (int i = 0; i < 512; i++)
		cell[i] = i * 0.001;
	write(1, "@@B\n", 4);
	if (!strcmp(what, "int"))
		loop_int();
	if (!strcmp(what, "fp"))
		loop_fp();
	if (!strcmp(what, "calls"))
		loop_calls();
	return 1;
}
