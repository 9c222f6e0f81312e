// fsopen(2), fsconfig(2), fsmount(2), move_mount(2), open_tree(2), fspick(2), mount_setattr(2), statmount(2), listmount(2).
#include "common.h"
#include <sched.h>
#define SYS_statmount 457
#define SYS_listmount 458

static long cfg(int fd, int cmd, const char *key, const void *value, int aux) { return syscall(SYS_fsconfig, fd, cmd, key, value, aux); }
static void messages(int fd)
{
	char buf[512];
	long n;
	while ((n = read(fd, buf, sizeof buf)) > 0) {
		if (buf[n - 1] == '\n') n--;
		text("  log: %.*s", (int)n, buf);
	}
	say("  log ends", n);
}
static void where(const char *path)
{
	char buf[16384];
	slurp("/proc/self/mountinfo", buf, sizeof buf);
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		char place[256], opts[256], root[256];
		int at, id, parent;
		if (sscanf(line, "%d %d %*s %255s %255s %255s%n", &id, &parent, root, place, opts, &at) < 5 || strcmp(place, path)) continue;
		char type[32], source[64], sopts[256] = "", *end = strstr(line + at, "- ");
		sscanf(end + 2, "%31s %63s %255s", type, source, sopts);
		char *so = strstr(sopts, "nr_inodes");
		text("  %s on %s %s%s%s - %s %s", root, place, opts, strstr(line + at, "shared:") ? " shared" : "", strstr(line, "unbindable") ? " unbindable" : "", type, source);
	}
}
static long tree(int dfd, const char *path, unsigned flags) { return syscall(SYS_open_tree, dfd, path, flags); }
static long mv(int from, const char *fp, int to, const char *tp, unsigned flags) { return syscall(SYS_move_mount, from, fp, to, tp, flags); }
struct attr { uint64_t set, clr, prop, userns; };
static long setattr(const char *path, unsigned flags, uint64_t set, uint64_t clr, uint64_t prop)
{
	struct attr a = { set, clr, prop, 0 };
	return syscall(SYS_mount_setattr, AT_FDCWD, path, flags, &a, sizeof a);
}
struct req { uint32_t size, spare; uint64_t id, param, ns; };
struct smount {
	uint32_t size, mnt_opts; uint64_t mask; uint32_t sb_dev_major, sb_dev_minor; uint64_t sb_magic; uint32_t sb_flags, fs_type;
	uint64_t mnt_id, mnt_parent_id; uint32_t mnt_id_old, mnt_parent_id_old; uint64_t mnt_attr, mnt_propagation, mnt_peer_group, mnt_master,
	propagate_from; uint32_t mnt_root, mnt_point; uint64_t mnt_ns_id; uint64_t spare2[49]; char str[];
};
static uint64_t unique(const char *path)
{
	struct statx st;
	statx(AT_FDCWD, path, 0, 0x4000, &st);
	return st.stx_mnt_id;
}
static void listing(const char *path, uint64_t last, unsigned n, unsigned flags)
{
	struct req r = { 24, 0, unique(path), last };
	uint64_t out[64];
	long got = syscall(SYS_listmount, &r, out, n, flags);
	if (got < 0) { say("listmount", got); return; }
	printf("listmount %s: %ld", path, got);
	for (int i = 0; i < got; i++) printf(" %s", out[i] == unique("/t/a") ? "a" : out[i] == unique("/t/b") ? "b" : out[i] == unique("/t/a/in") ? "a/in" : "?");
	putchar('\n');
}
void mountapi_part(void)
{
	mkdir("a", 0755); mkdir("b", 0755); mkdir("c", 0755);
	make("f", "1");
	SAY(syscall(SYS_fsopen, "nofs", 0));
	SAY(syscall(SYS_fsopen, "tmpfs", 2));
	SAY(syscall(SYS_fsopen, NULL, 0));
	int fs = syscall(SYS_fsopen, "tmpfs", 1);
	text("fsopen %d cloexec %d", fs > 0, fcntl(fs, F_GETFD));
	SAY(cfg(fs, 1, "source", "mine", 0));
	SAY(cfg(fs, 1, "source", "again", 0));
	messages(fs);
	SAY(cfg(fs, 1, "size", "1m", 0));
	SAY(cfg(fs, 1, "nonsense", "1", 0));
	messages(fs);
	SAY(cfg(fs, 1, "mode", "9", 0));
	messages(fs);
	SAY(cfg(fs, 0, "ro", NULL, 0));
	SAY(cfg(fs, 0, "rw", NULL, 0));
	SAY(cfg(fs, 0, "unknown", NULL, 0));
	messages(fs);
	SAY(cfg(fs, 0, "size", NULL, 0));
	messages(fs);
	SAY(cfg(fs, 0, NULL, NULL, 0));
	SAY(cfg(fs, 0, "ro", "x", 0));
	SAY(cfg(fs, 0, "ro", NULL, 1));
	SAY(cfg(fs, 1, "size", NULL, 0));
	SAY(cfg(fs, 1, "size", "1", 1));
	SAY(cfg(fs, 2, "size", "1", 0));
	SAY(cfg(fs, 2, "size", "1", 1));
	SAY(cfg(fs, 3, "size", "/t", 0));
	SAY(cfg(fs, 5, "size", NULL, 0));
	SAY(cfg(fs, 6, "x", NULL, 0));
	SAY(cfg(fs, 7, NULL, NULL, 0));
	SAY(cfg(fs, 99, NULL, NULL, 0));
	SAY(cfg(-1, 6, NULL, NULL, 0));
	SAY(cfg(0, 6, NULL, NULL, 0));
	SAY(syscall(SYS_fsmount, fs, 0, 0));
	SAY(cfg(fs, 6, NULL, NULL, 0));
	SAY(cfg(fs, 6, NULL, NULL, 0));
	SAY(cfg(fs, 1, "size", "2m", 0));
	SAY(syscall(SYS_fsmount, fs, 2, 0));
	SAY(syscall(SYS_fsmount, fs, 0, 0x10000));
	SAY(syscall(SYS_fsmount, fs, 0, 0x70));
	SAY(syscall(SYS_fsmount, 0, 0, 0));
	int mnt = syscall(SYS_fsmount, fs, 1, 0x2 | 0x8);
	text("fsmount %d cloexec %d flags %x", mnt > 0, fcntl(mnt, F_GETFD), fcntl(mnt, F_GETFL) & 010000000);
	SAY(syscall(SYS_fsmount, fs, 0, 0));
	int fd = openat(mnt, "early", O_CREAT | O_WRONLY, 0644);
	text("a file before it is anywhere: %d", fd > 0);
	close(fd);
	SAY(mv(mnt, "", AT_FDCWD, "a", 0));
	SAY(mv(mnt, "", AT_FDCWD, "none", 4));
	SAY(mv(mnt, "", AT_FDCWD, "f", 4));
	SAY(mv(mnt, "", AT_FDCWD, "a", 0x1000));
	SAY(mv(mnt, "", AT_FDCWD, "a", 4));
	where("/t/a");
	SAY(mv(mnt, "", AT_FDCWD, "b", 4));
	where("/t/a"); where("/t/b");
	SAY(mv(AT_FDCWD, "b", AT_FDCWD, "a", 0));
	SAY(mv(AT_FDCWD, "c", AT_FDCWD, "b", 0));
	SAY(access("a/early", F_OK));
	close(mnt);
	SAY(access("a/early", F_OK));
	// Trees.
	mkdir("a/in", 0755);
	SAY(mount("in", "a/in", "tmpfs", 0, ""));
	make("a/in/deep", "1");
	SAY(tree(AT_FDCWD, "none", 0));
	SAY(tree(AT_FDCWD, "a", 0x10));
	SAY(tree(AT_FDCWD, "a", 0x8000));
	int plain = tree(AT_FDCWD, "a", 0);
	text("plain %d", plain > 0);
	SAY(faccessat(plain, "in/deep", F_OK, 0));
	int clone = tree(AT_FDCWD, "a", 1 | O_CLOEXEC);
	text("clone %d cloexec %d", clone > 0, fcntl(clone, F_GETFD));
	SAY(faccessat(clone, "in/deep", F_OK, 0));
	SAY(faccessat(clone, "early", F_OK, 0));
	int rec = tree(AT_FDCWD, "a", 1 | 0x8000);
	SAY(faccessat(rec, "in/deep", F_OK, 0));
	SAY(mv(rec, "", AT_FDCWD, "b", 4));
	where("/t/b"); where("/t/b/in");
	close(rec); close(clone); close(plain);
	SAY(umount2("b", MNT_DETACH));
	clone = tree(AT_FDCWD, "c", 1);
	SAY(mv(clone, "", AT_FDCWD, "b", 4));
	where("/t/b");
	SAY(umount("b"));
	close(clone);
	// A picked file system is reconfigured.
	int pick = syscall(SYS_fspick, AT_FDCWD, "a", 0);
	text("pick %d", pick > 0);
	SAY(cfg(pick, 0, "ro", NULL, 0));
	SAY(cfg(pick, 6, NULL, NULL, 0));
	SAY(cfg(pick, 7, NULL, NULL, 0));
	SAY(mkdir("a/x", 0755));
	SAY(cfg(pick, 0, "rw", NULL, 0));
	SAY(cfg(pick, 7, NULL, NULL, 0));
	SAY(mkdir("a/x", 0755));
	close(pick);
	SAY(syscall(SYS_fspick, AT_FDCWD, "c", 0));
	SAY(syscall(SYS_fspick, AT_FDCWD, "a", 0x100));
	SAY(syscall(SYS_fspick, AT_FDCWD, "none", 0));
	// Attributes.
	SAY(setattr("a", 0, 1, 0, 0)); where("/t/a"); SAY(mkdir("a/y", 0755)); SAY(mkdir("a/in/y", 0755));
	SAY(setattr("a", AT_RECURSIVE, 1 | 4, 0, 0)); where("/t/a"); where("/t/a/in");
	SAY(setattr("a", AT_RECURSIVE, 0, 1 | 2, 0)); where("/t/a"); where("/t/a/in");
	SAY(setattr("a", 0, 0x10, 0, 0));
	SAY(setattr("a", 0, 0x10, 0x70, 0)); where("/t/a");
	SAY(setattr("a", 0, 0x20 | 0x80, 0x70, 0)); where("/t/a");
	SAY(setattr("a", 0, 0x30, 0x70, 0));
	SAY(setattr("a", 0, 0, 0x20, 0));
	SAY(setattr("a", 0, 0x400000, 0, 0));
	SAY(setattr("a", 0, 0, 0, MS_SHARED)); where("/t/a");
	SAY(setattr("a", 0, 0, 0, MS_SHARED | MS_PRIVATE));
	SAY(setattr("a", 0, 0, 0, MS_UNBINDABLE)); where("/t/a");
	SAY(setattr("a", 0, 0, 0, MS_PRIVATE));
	SAY(setattr("c", 0, 1, 0, 0));
	SAY(setattr("a", 0x10, 1, 0, 0));
	struct attr at = { 0 };
	SAY(syscall(SYS_mount_setattr, AT_FDCWD, "a", 0, &at, 31));
	SAY(syscall(SYS_mount_setattr, AT_FDCWD, "a", 0, &at, 5000));
	SAY(syscall(SYS_mount_setattr, AT_FDCWD, "a", 0, NULL, 32));
	char big[64] = "";
	SAY(syscall(SYS_mount_setattr, AT_FDCWD, "a", 0, big, 64));
	big[60] = 1;
	SAY(syscall(SYS_mount_setattr, AT_FDCWD, "a", 0, big, 64));
	fd = open("a/w", O_CREAT | O_WRONLY, 0644);
	SAY(setattr("a", 0, 1, 0, 0));
	close(fd);
	// statmount, listmount.
	SAY(mount("second", "b", "tmpfs", MS_RDONLY | MS_NOEXEC, ""));
	listing("/t", 0, 64, 0);
	listing("/t", 0, 1, 0);
	listing("/t", unique("/t/a"), 64, 0);
	listing("/t/a", 0, 64, 0);
	listing("/t/b", 0, 64, 0);
	listing("/t", 0, 64, 4);
	static char out[4096];
	struct smount *s = (void *)out;
	struct req r = { 24, 0, unique("/t/b"), 0x3f };
	SAY(syscall(SYS_statmount, &r, s, sizeof out, 0));
	text("size %u mask %lx", s->size - (unsigned)sizeof *s, (long)s->mask);
	text("sb magic %lx flags %x", (long)s->sb_magic, s->sb_flags);
	text("mnt attr %lx propagation %lx group %lx master %lx from %lx", (long)s->mnt_attr, (long)s->mnt_propagation, (long)s->mnt_peer_group, (long)s->mnt_master, (long)s->propagate_from);
	text("id %d parent %d", s->mnt_id == unique("/t/b"), s->mnt_parent_id == unique("/t"));
	text("root %s point %s type %s", s->str + s->mnt_root, s->str + s->mnt_point, s->str + s->fs_type);
	r.param = 0x20;
	SAY(syscall(SYS_statmount, &r, s, sizeof out, 0));
	text("size %u mask %lx type %s", s->size - (unsigned)sizeof *s, (long)s->mask, s->str + s->fs_type);
	SAY(syscall(SYS_statmount, &r, s, 513, 0));
	SAY(syscall(SYS_statmount, &r, s, 16, 0));
	text("size %u", s->size);
	SAY(syscall(SYS_statmount, &r, s, sizeof out, 1));
	r.id = 12345;
	SAY(syscall(SYS_statmount, &r, s, sizeof out, 0));
	r.id = unique("/t/b");
	r.size = 8;
	SAY(syscall(SYS_statmount, &r, s, sizeof out, 0));
	r.size = 24; r.spare = 1;
	SAY(syscall(SYS_statmount, &r, s, sizeof out, 0));
	r.spare = 0; r.param = 0;
	SAY(syscall(SYS_statmount, NULL, s, sizeof out, 0));
	SAY(syscall(SYS_statmount, &r, (void *)1, sizeof out, 0));
	// Beneath.
	mkdir("z", 0755);
	SAY(mount("top", "z", "tmpfs", 0, "")); make("z/top", "1");
	int below = syscall(SYS_fsopen, "tmpfs", 0);
	cfg(below, 1, "source", "below", 0); cfg(below, 6, NULL, NULL, 0);
	int bm = syscall(SYS_fsmount, below, 0, 0);
	SAY(mv(bm, "", AT_FDCWD, "c", 4 | 0x200));
	SAY(mv(bm, "", AT_FDCWD, "/", 4 | 0x200));
	SAY(mv(bm, "", AT_FDCWD, "z", 4 | 0x200)); SAY(access("z/top", F_OK)); where("/t/z");
	close(bm);
	SAY(umount("z")); SAY(access("z/top", F_OK)); where("/t/z"); SAY(umount("z"));
	setuid(1000);
	SAY(syscall(SYS_fsopen, "tmpfs", 0));
	SAY(tree(AT_FDCWD, "a", 1));
	SAY(tree(AT_FDCWD, "a", 0) > 0);
	SAY(mv(AT_FDCWD, "a", AT_FDCWD, "c", 0));
	SAY(setattr("a", 0, 1, 0, 0));
	SAY(syscall(SYS_fspick, AT_FDCWD, "a", 0));
}
