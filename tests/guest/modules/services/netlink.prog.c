// Built for the suite as netlink.prog (record.mjs). netlink FAMILY STEP...: send:TYPE:FLAGS:TEXT recv join leave, on one netlink socket. Without a C library.
typedef unsigned long u64;
typedef long s64;

static s64 sys(s64 n, s64 a, s64 b, s64 c, s64 d, s64 e, s64 f)
{
	register s64 a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f;

	asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7) : "memory");
	return a0;
}
static void say(const char *s)
{
	int n = 0;

	while (s[n])
		n++;
	sys(64, 1, (s64)s, n, 0, 0, 0);
}
static void number(s64 v)
{
	char t[24];
	int i = 23;
	u64 n = v < 0 ? -v : v;

	t[i] = 0;
	do
		t[--i] = '0' + n % 10;
	while (n /= 10);
	if (v < 0)
		t[--i] = '-';
	say(t + i);
}
static int num(const char **s)
{
	int v = 0;

	while (**s >= '0' && **s <= '9')
		v = v * 10 + *(*s)++ - '0';
	if (**s)
		(*s)++;
	return v;
}
static union {
	struct {
		unsigned int len;
		unsigned short type, flags;
		unsigned int seq, pid;
		char data[4000];
	} h;
} m;
__attribute__((used)) void start(u64 *sp)
{
	const char *family = (const char *)sp[2];
	struct {
		unsigned short family, pad;
		unsigned int pid, groups;
	} addr = { 16, 0, 0, 0 };
	int fd = sys(198, 16, 3, num(&family), 0, 0, 0), seq = 0;
	u64 timeout[2] = { 0, 300000 };

	if (fd < 0) {
		say("socket ");
		number(fd);
		say("\n");
		sys(94, 1, 0, 0, 0, 0, 0);
	}
	sys(200, fd, (s64)&addr, sizeof(addr), 0, 0, 0);
	sys(208, fd, 1, 20, (s64)timeout, sizeof(timeout), 0);
	for (u64 i = 3; i <= sp[0]; i++) {
		const char *s = (const char *)sp[i];
		s64 r;

		say(s);
		say(" = ");
		if (s[0] == 's') {
			int n = 0;

			s += 5;
			m.h.type = num(&s);
			m.h.flags = num(&s);
			m.h.seq = ++seq;
			m.h.pid = 0;
			while (s[n])
				m.h.data[n] = s[n], n++;
			m.h.len = 16 + n;
			r = sys(206, fd, (s64)&m, m.h.len, 0, (s64)&addr, sizeof(addr));
			number(r);
		} else if (s[0] == 'r') {
			r = sys(207, fd, (s64)&m, sizeof(m), 0, 0, 0);
			number(r);
			if (r >= 16) {
				say(" len ");
				number(m.h.len);
				say(" type ");
				number(m.h.type);
				say(" flags ");
				number(m.h.flags);
				say(" seq ");
				number(m.h.seq);
				if (m.h.type == 2) {
					say(" error ");
					number(*(int *)m.h.data);
				} else {
					m.h.data[m.h.len - 16] = 0;
					say(" ");
					say(m.h.data);
				}
			}
		} else {
			int group = 1;

			number(sys(208, fd, 270, s[0] == 'j' ? 1 : 2, (s64)&group, 4, 0));
		}
		say("\n");
	}
	sys(94, 0, 0, 0, 0, 0, 0);
}
asm(".globl _start\n_start: mv a0, sp\n\tandi sp, sp, -16\n\tcall start\n");
