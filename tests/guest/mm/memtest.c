// SPDX-License-Identifier: Apache-2.0
// Memory as programs see it: overcommit, scores, the OOM killer, drop_caches, sysrq, and whether the texts of /proc agree. Runs as init (or with the
// names of parts as arguments); prints answers without sizes or addresses, so that any amount of memory gives the same text.
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (write(1, line, n) < 0) _exit(9);
}
static const char *err(long r) { return r >= 0 ? "ok" : strerrorname_np(errno); }
static char text[1 << 20];
static const char *get(const char *path)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0) { snprintf(text, sizeof(text), "(%s)", strerrorname_np(errno)); return text; }
	size_t n = 0;
	for (ssize_t r; (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0;) n += r;
	text[n] = 0;
	close(fd);
	return text;
}
static const char *line1(const char *path)
{
	get(path);
	text[strcspn(text, "\n")] = 0;
	return strdup(text);
}
static long put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0) return -1;
	long r = write(fd, value, strlen(value));
	int e = errno;
	close(fd);
	errno = e;
	return r;
}
static void try(const char *path, const char *value)
{
	long r = put(path, value);
	say("%s < %s: %s", path, value, err(r));
	say(", now %s\n", line1(path));
}
/* A figure of /proc/meminfo in kB, of /proc/vmstat as it is. */
static long figure(const char *file, const char *name)
{
	get(file);
	for (char *p = text; (p = strstr(p, name)); p++)
		if ((p == text || p[-1] == '\n') && (p[strlen(name)] == ':' || p[strlen(name)] == ' ')) return atol(p + strlen(name) + 1);
	return -1;
}
static long mem(const char *name) { return figure("/proc/meminfo", name); }
static void *map(long bytes, int prot, int flags) { return mmap(NULL, bytes, prot, flags | MAP_ANONYMOUS, -1, 0); }
static void mapping(const char *what, long kb, int prot, int flags)
{
	void *p = map(kb * 1024, prot, flags);
	say("%s: %s\n", what, p == MAP_FAILED ? strerrorname_np(errno) : "mapped");
	if (p != MAP_FAILED) munmap(p, kb * 1024);
}

/* Figures of the whole system jitter by what other CPUs hold back; 1 % of memory is far more. */
static int near(long a, long b) { return labs(a - b) <= mem("MemTotal") / 100; }

static void overcommit(void)
{
	const int rw = PROT_READ | PROT_WRITE, priv = MAP_PRIVATE;
	long total = mem("MemTotal");
	try("/proc/sys/vm/overcommit_memory", "3");
	try("/proc/sys/vm/overcommit_memory", "-1");
	try("/proc/sys/vm/overcommit_ratio", "-1");
	try("/proc/sys/vm/overcommit_ratio", "50");
	say("mode %s, ratio 50: limit is half of memory: %d\n", line1("/proc/sys/vm/overcommit_memory"), near(mem("CommitLimit"), total / 2));
	mapping("mode 0, half of memory", total / 2, rw, priv);
	mapping("mode 0, twice the memory", total * 2, rw, priv);
	mapping("mode 0, twice the memory, only to read", total * 2, PROT_READ, priv);
	mapping("mode 0, twice the memory, without reserve", total * 2, rw, priv | MAP_NORESERVE);
	mapping("mode 0, twice the memory, shared", total * 2, rw, MAP_SHARED);
	long before = mem("Committed_AS");
	void *p = map(40 << 20, rw, priv);
	say("private writable memory is committed: %d\n", near(mem("Committed_AS") - before, 40 << 10));
	mprotect(p, 20 << 20, PROT_READ);
	say("still after mprotect: %d\n", near(mem("Committed_AS") - before, 40 << 10));
	munmap(p, 40 << 20);
	p = map(40 << 20, PROT_READ, priv);
	say("memory to read is not: %d\n", near(mem("Committed_AS"), before));
	say("until it is made writable (%s): ", err(mprotect(p, 40 << 20, rw)));
	say("%d\n", near(mem("Committed_AS") - before, 40 << 10));
	munmap(p, 40 << 20);
	p = map(40 << 20, rw, MAP_SHARED);
	say("shared memory is: %d\n", near(mem("Committed_AS") - before, 40 << 10));
	munmap(p, 40 << 20);
	say("all is back: %d\n", near(mem("Committed_AS"), before));
	try("/proc/sys/vm/overcommit_memory", "1");
	mapping("mode 1, twice the memory", total * 2, rw, priv);
	mapping("mode 1, 32 GB", 32l << 20, rw, priv);
	try("/proc/sys/vm/overcommit_memory", "2");
	mapping("mode 2, most of the limit", mem("CommitLimit") - mem("Committed_AS") - total / 10, rw, priv);
	mapping("mode 2, more than the limit", mem("CommitLimit") - mem("Committed_AS") + 1024, rw, priv);
	mapping("mode 2, more than the limit, without reserve", mem("CommitLimit") + 1024, rw, priv | MAP_NORESERVE);
	mapping("mode 2, more than the limit, to read", mem("CommitLimit") + 1024, PROT_READ, priv);
	p = map((mem("CommitLimit") - mem("Committed_AS")) * 1024l / 10 * 6, rw, priv);
	pid_t pid = fork();
	if (pid == 0) _exit(0);
	say("mode 2, fork of a process with 60 %%: %s\n", err(pid));
	if (pid > 0) waitpid(pid, NULL, 0);
	munmap(p, (mem("CommitLimit") - mem("Committed_AS")) * 1024l / 10 * 6);
	try("/proc/sys/vm/overcommit_ratio", "80");
	say("limit is 80 %%: %d\n", near(mem("CommitLimit"), total / 10 * 8));
	put("/proc/sys/vm/overcommit_kbytes", "50000");
	say("overcommit_kbytes: limit 50000 kB: %d, ratio %s\n", mem("CommitLimit") == 50000, line1("/proc/sys/vm/overcommit_ratio"));
	try("/proc/sys/vm/overcommit_ratio", "50");
	say("kbytes %s\n", line1("/proc/sys/vm/overcommit_kbytes"));
	try("/proc/sys/vm/overcommit_memory", "0");
}

static void scores(void)
{
	static const char *const values[] = { "1001", "-1001", "500", "0", "-1000", "1000", "abc", "", " 7 \n", "0x10", "12x" };
	for (unsigned i = 0; i < sizeof(values) / sizeof(*values); i++) {
		long r = put("/proc/self/oom_score_adj", values[i]);
		say("oom_score_adj < '%s': %s", values[i], err(r));
		say(", now %s", line1("/proc/self/oom_score_adj"));
		say(", oom_adj %s\n", line1("/proc/self/oom_adj"));
	}
	put("/proc/self/oom_score_adj", "1000");
	long high = atol(get("/proc/self/oom_score"));
	put("/proc/self/oom_score_adj", "0");
	long middle = atol(get("/proc/self/oom_score"));
	put("/proc/self/oom_score_adj", "-999");
	long low = atol(get("/proc/self/oom_score"));
	put("/proc/self/oom_score_adj", "-1000");
	say("score with 1000: %d, with 0: %d, with -999: %d, with -1000: %ld\n", high >= 1250 && high < 1360, middle >= 666 && middle < 690, low >= 0 && low < 80,
	    atol(get("/proc/self/oom_score")));
	try("/proc/self/oom_adj", "15");
	try("/proc/self/oom_adj", "16");
	try("/proc/self/oom_adj", "-17");
	try("/proc/self/oom_adj", "-18");
	try("/proc/self/oom_adj", "8");
	say("adj is %s\n", line1("/proc/self/oom_score_adj"));
	put("/proc/self/oom_score_adj", "300");
	pid_t pid = fork();
	if (pid == 0) {
		say("a child has %s\n", line1("/proc/self/oom_score_adj"));
		if (setresuid(1000, 1000, 1000) < 0) _exit(1);
		prctl(PR_SET_DUMPABLE, 1);
		try("/proc/self/oom_score_adj", "400");
		try("/proc/self/oom_score_adj", "300");
		try("/proc/self/oom_score_adj", "299");
		try("/proc/self/oom_score_adj", "-1");
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	put("/proc/self/oom_score_adj", "0");
}

static void hog(int adj, long limit)
{
	char buf[16];
	snprintf(buf, sizeof(buf), "%d", adj);
	put("/proc/self/oom_score_adj", buf);
	for (long n = 0; limit == 0 || n < limit; n++) {
		char *p = map(1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
		if (p == MAP_FAILED) _exit(3);
		memset(p, 1, 1 << 20);
	}
}
static const char *status(int st)
{
	static char buf[40];
	if (WIFSIGNALED(st)) snprintf(buf, sizeof(buf), "killed by %s", sigabbrev_np(WTERMSIG(st)));
	else snprintf(buf, sizeof(buf), "exit %d", WEXITSTATUS(st));
	return buf;
}
/* The log since the last look, figures masked, without frames of the kernel. */
static void log_lines(void)
{
	int n = klogctl(4, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	int skip = 0;
	for (char *save, *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		char out[1024], *o = out;
		char *body = strstr(l, "] ");
		if (body && l[0] == '<') body += 2;
		else body = l;
		if (strstr(body, "[<") || strstr(body, "Hardware name") || strstr(body, "oom_reaper") || strstr(body, "hrtimer") || strstr(body, "] kworker")) continue;
		if (strstr(body, "KB ") && strstr(body, "KB") + 2 < body + strlen(body) && body[strlen(body) - 1] == 'B' && !strchr(body, ':')) continue;
		/* What a dying process fails to get is said once in ten seconds. */
		if (strstr(body, "page allocation failure")) skip = 1;
		if (skip) {
			skip = strstr(body, "pages reserved") == NULL;
			continue;
		}
		if (strstr(body, " invoked oom-killer")) body = strstr(body, " invoked");
		if (strstr(body, "Workqueue: ") || strstr(body, " Comm: ") || !strncmp(body, "Tainted:", 8)) continue;
		if (strstr(body, "Unreclaimable slab") || strstr(body, "Name   ")) continue;
		if (strstr(body, "]     ") && body[0] == '[' && !strstr(body, "memtest")) continue;
		for (char *p = body; *p && o < out + 1000; p++) {
			if (isdigit((unsigned char)*p)) {
				while (isdigit((unsigned char)p[1])) p++;
				*o++ = 'N';
			} else if (*p == ' ' && p[1] == ' ') continue;
			else if (*p == '(' && strspn(p + 1, "UMEHCI") && p[1 + strspn(p + 1, "UMEHCI")] == ')') {
				p += 1 + strspn(p + 1, "UMEHCI");
				o--;
			} else *o++ = *p;
		}
		*o = 0;
		say("| %s\n", out);
	}
}
static void skip_log(void) { klogctl(5, NULL, 0); }

static void oom(void)
{
	int st;
	long kills = figure("/proc/vmstat", "oom_kill");
	skip_log();
	pid_t pid = fork();
	if (pid == 0) { hog(0, 0); _exit(0); }
	waitpid(pid, &st, 0);
	say("a process that takes all memory: %s\n", status(st));
	log_lines();
	say("oom_kill of vmstat: +%ld\n", figure("/proc/vmstat", "oom_kill") - kills);
	/* One that asks for death goes first, whatever its size: 1000 are all of memory, and part of that is held here. */
	char *ballast = map(24 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	memset(ballast, 1, 24 << 20);
	pid_t small = fork();
	if (small == 0) {
		put("/proc/self/oom_score_adj", "1000");
		pause();
		_exit(0);
	}
	usleep(50000);
	pid = fork();
	if (pid == 0) { hog(0, 0); _exit(0); }
	pid_t first = wait(&st);
	say("first: the %s one, %s\n", first == small ? "small" : "large", status(st));
	first = wait(&st);
	say("then: the %s one, %s\n", first == small ? "small" : "large", status(st));
	munmap(ballast, 24 << 20);
	/* One that must not be killed. */
	small = fork();
	if (small == 0) {
		put("/proc/self/oom_score_adj", "-1000");
		hog(-1000, 20);
		pause();
		_exit(0);
	}
	usleep(100000);
	pid = fork();
	if (pid == 0) { hog(0, 0); _exit(0); }
	first = wait(&st);
	say("beside an immune one: the %s one, %s\n", first == small ? "immune" : "other", status(st));
	kill(small, SIGKILL);
	wait(&st);
	/* Threads die together. */
	skip_log();
	say("memory is back: %d\n", near(mem("MemFree"), mem("MemAvailable")) || mem("MemFree") > mem("MemTotal") / 2);
}

static void sysrq(void)
{
	int st;
	skip_log();
	say("gate %s, trigger 0%o\n", line1("/proc/sys/kernel/sysrq"), ({ struct stat s; stat("/proc/sysrq-trigger", &s); s.st_mode & 0777; }));
	pid_t pid = fork();
	if (pid == 0) {
		put("/proc/self/oom_score_adj", "1000");
		pause();
		_exit(0);
	}
	usleep(50000);
	say("f: %s\n", err(put("/proc/sysrq-trigger", "f")));
	wait(&st);
	say("the process with the highest score: %s\n", status(st));
	log_lines();
	say("4: %s\n", err(put("/proc/sysrq-trigger", "4")));
	say("console level %.1s\n", get("/proc/sys/kernel/printk"));
	say("7: %s\n", err(put("/proc/sysrq-trigger", "7")));
	log_lines();
	put("/proc/sysrq-trigger", "m");
	log_lines();
}

static void caches(void)
{
	skip_log();
	try("/proc/sys/vm/drop_caches", "0");
	try("/proc/sys/vm/drop_caches", "5");
	try("/proc/sys/vm/drop_caches", "1");
	try("/proc/sys/vm/drop_caches", "2");
	try("/proc/sys/vm/drop_caches", "3");
	log_lines();
}

static long sum_of(const char *from, int columns)
{
	long sum = 0;
	char *p = (char *)from;
	for (int o = 0; o < columns; o++) sum += strtol(p, &p, 10) << o;
	return sum;
}
static void agree(void)
{
	static char copy[1 << 16];
	int columns = 11;
	sched_yield();
	long free_pages = figure("/proc/vmstat", "nr_free_pages");
	get("/proc/buddyinfo");
	char *row = strstr(text, "DMA32");
	long buddy = row ? sum_of(row + 5, columns) : -1;
	say("buddyinfo adds up to the free pages: %d\n", labs(buddy - free_pages) < 300);
	get("/proc/pagetypeinfo");
	strncpy(copy, text, sizeof(copy) - 1);
	long types = 0;
	for (char *p = copy; (p = strstr(p, "type ")); p++)
		if (strncmp(p, "type  ", 6) == 0) types += sum_of(strpbrk(p + 5 + strspn(p + 5, " "), " "), columns);
	say("pagetypeinfo adds up to buddyinfo: %d\n", labs(types - buddy) < 300);
	for (char *p = copy, *e; (p = strstr(p, "Node")); p = e) {
		e = strchr(p, '\n');
		if (!e) break;
		char label[80];
		snprintf(label, sizeof(label), "%.*s", (int)(strpbrk(p + 40, "0123456789") - p), p);
		for (char *end = label + strlen(label); end > label && end[-1] == ' ';) *--end = 0;
		if (strstr(p, "type") && strstr(p, "type") < e) say("%s\n", label);
	}
	get("/proc/zoneinfo");
	say("zoneinfo has nr_free_pages: %d\n", strstr(text, "nr_free_pages") != NULL);
	say("MemFree is nr_free_pages: %d\n", labs(mem("MemFree") / 4 - figure("/proc/vmstat", "nr_free_pages")) < 300);
	say("Slab is the sum of its parts: %d\n", labs(mem("Slab") - mem("SReclaimable") - mem("SUnreclaim")) < 100);
	say("Slab is vmstat's: %d\n", labs(mem("Slab") / 4 - figure("/proc/vmstat", "nr_slab_reclaimable") - figure("/proc/vmstat", "nr_slab_unreclaimable")) < 100);
	long before = mem("MemFree"), active = mem("AnonPages");
	char *p = map(16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	say("mapped memory is not used: %d\n", labs(mem("MemFree") - before) < 2000);
	long faults = ({ struct rusage r; getrusage(RUSAGE_SELF, &r); r.ru_minflt; });
	for (int i = 0; i < 16 << 20; i += 4096) p[i] = 1;
	faults = ({ struct rusage r; getrusage(RUSAGE_SELF, &r); r.ru_minflt; }) - faults;
	say("touched memory is: %d, anonymous: %d, a fault for each page: %d\n", labs(before - mem("MemFree") - 16384) < 3000, labs(mem("AnonPages") - active - 16384) < 3000,
	    faults == 4096);
	munmap(p, 16 << 20);
}

/* Where memory comes from, with one node. */
static void policy_of(const char *what, int asks, int masks, unsigned long maxnode, void *addr, unsigned long flags)
{
	static unsigned long mask[128];
	int policy = 77;

	memset(mask, 0xff, sizeof(mask));
	long r = syscall(SYS_get_mempolicy, asks ? &policy : NULL, masks ? mask : NULL, maxnode, addr, flags);
	say("%s: %s, policy %d, mask %lx %lx\n", what, err(r), policy, mask[0], mask[1]);
}
static void policy(void)
{
	int here = 0;

	policy_of("nothing", 0, 0, 0, NULL, 0);
	policy_of("its own", 1, 0, 0, NULL, 0);
	policy_of("with nodes", 1, 1, 1024, NULL, 0);
	policy_of("one bit", 1, 1, 1, NULL, 0);
	policy_of("no bit", 1, 1, 0, NULL, 0);
	for (unsigned long bits = 64; bits < 67; bits++) policy_of("allowed", 1, 1, bits, NULL, 4);
	policy_of("allowed, two words", 1, 1, 129, NULL, 4);
	policy_of("allowed, too many", 1, 1, 100000, NULL, 4);
	policy_of("allowed of a node", 1, 1, 129, NULL, 5);
	policy_of("of an address", 1, 0, 0, &here, 2);
	policy_of("node of an address", 1, 0, 0, &here, 3);
	policy_of("of no address", 1, 0, 0, (void *)8, 2);
	policy_of("address without asking", 1, 0, 0, (void *)8, 0);
	policy_of("node of nothing", 1, 0, 0, NULL, 1);
	policy_of("unknown", 1, 0, 0, NULL, 8);
}

static const struct { const char *name; void (*run)(void); } parts[] = {
	{ "overcommit", overcommit }, { "scores", scores }, { "agree", agree }, { "policy", policy }, { "caches", caches }, { "oom", oom }, { "sysrq", sysrq },
};

int main(int argc, char **argv)
{
	int init = getpid() == 1;
	if (init) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, NULL);
		pid_t pid = fork();
		if (pid > 0) {
			/* The first process cannot be killed for memory: the parts run in a child that it waits for. */
			int st;
			waitpid(pid, &st, 0);
			say("ended: %s\n", status(st));
			sync();
			reboot(RB_POWER_OFF);
		}
	}
	prctl(PR_SET_NAME, "memtest");
	for (unsigned i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		int wanted = argc < 2;
		for (int a = 1; a < argc; a++) wanted |= strcmp(argv[a], parts[i].name) == 0;
		if (!wanted) continue;
		say("== %s\n", parts[i].name);
		parts[i].run();
	}
	return 0;
}
