// filestest: calls on files and mounts, one answer a line. As init it does all parts (or those named) and powers off.
#include "common.h"
#include <sys/reboot.h>

void say(const char *what, long r)
{
	int e = errno;
	if (r == -1) printf("%s = -1 %s\n", what, strerrorname_np(e) ? strerrorname_np(e) : "?");
	else printf("%s = %ld\n", what, r);
}
void text(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}
long slurp(const char *path, char *into, long size)
{
	int fd = open(path, O_RDONLY);
	if (fd < 0) return -1;
	long n, at = 0;
	while (at < size - 1 && (n = read(fd, into + at, size - 1 - at)) > 0) at += n;
	into[at] = 0;
	close(fd);
	return at;
}
void show_file(const char *path)
{
	static char buf[16384];
	long n = slurp(path, buf, sizeof buf);
	if (n < 0) { say(path, -1); return; }
	printf("%s:\n", path);
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) printf("  %s\n", line);
}
int make(const char *path, const char *contents)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0) return -1;
	int r = write(fd, contents, strlen(contents)) < 0 ? -1 : 0;
	close(fd);
	return r;
}

struct part { const char *name; void (*run)(void); };
static const struct part parts[] = {
#define PART(x) { #x, x##_part },
	PARTS
};
int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getpid() == 1) {
		mkdir("/proc", 0755);
		mount("proc", "/proc", "proc", 0, "");
	}
	umask(022);
	mkdir("/t", 0755);
	for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
		int wanted = argc < 2;
		for (int a = 1; a < argc; a++) wanted |= !strcmp(argv[a], parts[i].name);
		if (!wanted) continue;
		text("== %s", parts[i].name);
		if (mount("t", "/t", "tmpfs", 0, "") || chdir("/t")) say("workplace", -1);
		pid_t pid = fork();
		if (pid == 0) {
			parts[i].run();
			exit(0);
		}
		int status;
		waitpid(pid, &status, 0);
		if (status) text("part ended with %x", status);
		chdir("/");
		umount2("/t", MNT_DETACH);
	}
	fflush(stdout);
	if (getpid() == 1) reboot(RB_POWER_OFF);
	return 0;
}
