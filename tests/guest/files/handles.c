// name_to_handle_at(2), open_by_handle_at(2).
#include "common.h"

struct handle { unsigned bytes; int type; unsigned char data[128]; };
static long to_handle(int dir, const char *path, struct handle *h, int *mnt, int flags)
{
	return syscall(SYS_name_to_handle_at, dir, path, h, mnt, flags);
}
void handles_part(void)
{
	struct handle h = { 128 };
	int mnt = -1, mnt2 = -1;
	char buf[64] = "";
	make("f", "contents");
	symlink("f", "sl");
	SAY(to_handle(AT_FDCWD, "f", &h, &mnt, 0));
	text("bytes %u type %d", h.bytes, h.type);
	struct statx st;
	statx(AT_FDCWD, "f", 0, STATX_MNT_ID, &st);
	text("mount id as statx's: %d", (int)st.stx_mnt_id == mnt);
	int root = open(".", O_RDONLY | O_DIRECTORY);
	int fd = syscall(SYS_open_by_handle_at, root, &h, O_RDONLY);
	SAY(read(fd, buf, sizeof buf));
	text("%s", buf);
	close(fd);
	fd = open("f", O_RDONLY);
	struct handle g = { 128 };
	SAY(to_handle(fd, "", &g, &mnt2, AT_EMPTY_PATH));
	text("same %d", !memcmp(&h, &g, 8 + h.bytes) && mnt == mnt2);
	close(fd);
	g.bytes = 128;
	SAY(to_handle(AT_FDCWD, "sl", &g, &mnt, AT_SYMLINK_FOLLOW));
	text("same %d", !memcmp(&h, &g, 8 + h.bytes));
	g.bytes = 128;
	SAY(to_handle(AT_FDCWD, "sl", &g, &mnt, 0));
	text("same %d", !memcmp(&h, &g, 8 + h.bytes));
	SAY(syscall(SYS_open_by_handle_at, root, &g, O_RDONLY));
	g.bytes = 0;
	SAY(to_handle(AT_FDCWD, "f", &g, &mnt, 0));
	text("bytes %u", g.bytes);
	g.bytes = 129;
	SAY(to_handle(AT_FDCWD, "f", &g, &mnt, 0));
	g.bytes = 128;
	SAY(to_handle(AT_FDCWD, "none", &g, &mnt, 0));
	SAY(to_handle(AT_FDCWD, "f", &g, &mnt, 0x10));
	SAY(to_handle(AT_FDCWD, "f", (void *)1, &mnt, 0));
	SAY(to_handle(AT_FDCWD, "f", &g, NULL, 0));
	SAY(to_handle(AT_FDCWD, "/proc/self/stat", &g, &mnt, 0));
	g.bytes = 128;
	SAY(to_handle(AT_FDCWD, "/proc/self/stat", &g, &mnt, 0x200));
	text("bytes %u type %x", g.bytes, g.type);
	SAY(syscall(SYS_open_by_handle_at, 99, &h, O_RDONLY));
	g = h;
	g.bytes = 0;
	SAY(syscall(SYS_open_by_handle_at, root, &g, O_RDONLY));
	g.bytes = 129;
	SAY(syscall(SYS_open_by_handle_at, root, &g, O_RDONLY));
	g = h;
	g.data[0] ^= 1;
	SAY(syscall(SYS_open_by_handle_at, root, &g, O_RDONLY));
	SAY(syscall(SYS_open_by_handle_at, root, NULL, O_RDONLY));
	SAY(rename("f", "moved"));
	fd = syscall(SYS_open_by_handle_at, AT_FDCWD, &h, O_RDWR);
	text("open after the rename: %d", fd > 0);
	close(fd);
	unlink("moved");
	SAY(syscall(SYS_open_by_handle_at, root, &h, O_RDONLY));
	setuid(1000);
	SAY(syscall(SYS_open_by_handle_at, root, &h, O_RDONLY));
}
