// SPDX-License-Identifier: GPL-2.0
// A file system, "lftree": directories and links that programs make, and in each directory a file "info" that is found by lookup only while somebody asks.
// Directories and links are pinned dentries, as in configfs.
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/uio.h>

static int fail_fill, pin, chatty;
module_param(fail_fill, int, 0644);
module_param(pin, int, 0444);
module_param(chatty, int, 0644);
#define say(fmt, ...) do { if (chatty) pr_info(fmt, ##__VA_ARGS__); } while (0)

struct tnode {
	struct list_head sibling, children;
	char name[32];
	umode_t mode;
	int number, writes;
	char text[64];
	struct dentry *dentry;
};
static int nodes, made;
static const struct inode_operations dir_iops, link_iops, file_iops;
static const struct file_operations dir_fops, info_fops;
static const struct dentry_operations tree_dops;

static struct tnode *new_node(const char *name, umode_t mode)
{
	struct tnode *n = kzalloc(sizeof(*n), GFP_KERNEL);

	if (!n)
		return NULL;
	INIT_LIST_HEAD(&n->children);
	INIT_LIST_HEAD(&n->sibling);
	strscpy(n->name, name, sizeof(n->name));
	n->mode = mode;
	n->number = ++made;
	nodes++;
	return n;
}
static struct inode *tree_inode(struct super_block *sb, umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = 100 + get_next_ino() * 0 + ++made;
	inode->i_mode = mode;
	inode->i_mapping->a_ops = &ram_aops;
	simple_inode_init_ts(inode);
	if (S_ISDIR(mode)) {
		inode->i_op = &dir_iops;
		inode->i_fop = &dir_fops;
		inc_nlink(inode);
	} else if (S_ISLNK(mode)) {
		inode->i_op = &link_iops;
	} else {
		inode->i_op = &file_iops;
		inode->i_fop = &info_fops;
		inode->i_size = 64;
	}
	return inode;
}
static int attach(struct inode *dir, struct dentry *dentry, umode_t mode, const char *text)
{
	struct tnode *parent = dentry->d_parent->d_fsdata;
	struct tnode *n = new_node(dentry->d_name.name, mode);
	struct inode *inode;

	if (!n)
		return -ENOMEM;
	inode = tree_inode(dir->i_sb, mode);
	if (!inode) {
		nodes--;
		kfree(n);
		return -ENOMEM;
	}
	if (text)
		strscpy(n->text, text, sizeof(n->text));
	dentry->d_fsdata = n;
	n->dentry = dentry;
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
	d_instantiate(dentry, inode);
	dget(dentry);
	list_add_tail(&n->sibling, &parent->children);
	return 0;
}
static int tree_mkdir(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, umode_t mode)
{
	int err;

	say("mkdir %pd mode %o, parent %pd, positive %d, hashed %d, lock held %d\n", dentry, mode, dentry->d_parent, d_really_is_positive(dentry),
	    !d_unhashed(dentry), inode_is_locked(dir));
	if (!strcmp(dentry->d_name.name, "never"))
		return -EDQUOT;
	err = attach(dir, dentry, mode | S_IFDIR, NULL);
	if (!err)
		inc_nlink(dir);
	return err;
}
static int tree_symlink(struct mnt_idmap *idmap, struct inode *dir, struct dentry *dentry, const char *to)
{
	struct path path;
	int err;

	/* The walk may come through this directory. */
	inode_unlock(dir);
	err = kern_path(to, LOOKUP_FOLLOW, &path);

	say("symlink %pd to %s: %d, here %d\n", dentry, to, err, err ? 0 : path.dentry->d_sb == dir->i_sb);
	if (!err)
		path_put(&path);
	inode_lock(dir);
	return attach(dir, dentry, S_IFLNK | 0777, to);
}
static void remove(struct dentry *dentry)
{
	struct tnode *n = dentry->d_fsdata;

	list_del_init(&n->sibling);
}
static int tree_rmdir(struct inode *dir, struct dentry *dentry)
{
	struct tnode *n = dentry->d_fsdata;
	int err;

	say("rmdir %pd, locked %d %d\n", dentry, inode_is_locked(dir), inode_is_locked(d_inode(dentry)));
	if (!list_empty(&n->children))
		return -ENOTEMPTY;
	err = simple_rmdir(dir, dentry);
	if (!err)
		remove(dentry);
	return err;
}
static int tree_unlink(struct inode *dir, struct dentry *dentry)
{
	say("unlink %pd\n", dentry);
	if (!S_ISLNK(d_inode(dentry)->i_mode))
		return -EPERM;
	remove(dentry);
	return simple_unlink(dir, dentry);
}
static struct dentry *tree_lookup(struct inode *dir, struct dentry *dentry, unsigned int flags)
{
	struct inode *inode = NULL;

	say("lookup %pd in %pd\n", dentry, dentry->d_parent);
	if (!strcmp(dentry->d_name.name, "broken"))
		return ERR_PTR(-EREMOTEIO);
	if (!strcmp(dentry->d_name.name, "info")) {
		inode = tree_inode(dir->i_sb, S_IFREG | 0644);
		if (!inode)
			return ERR_PTR(-ENOMEM);
	}
	d_add(dentry, inode);
	return NULL;
}
static const char *tree_get_link(struct dentry *dentry, struct inode *inode, struct delayed_call *done)
{
	struct tnode *n;
	char *text;

	if (!dentry)
		return ERR_PTR(-ECHILD);
	n = dentry->d_fsdata;
	text = kstrdup(n->text, GFP_KERNEL);
	if (!text)
		return ERR_PTR(-ENOMEM);
	set_delayed_call(done, kfree_link, text);
	return text;
}
static int tree_setattr(struct mnt_idmap *idmap, struct dentry *dentry, struct iattr *attr)
{
	say("setattr %pd:%s%s%s%s\n", dentry, attr->ia_valid & ATTR_MODE ? " mode" : "", attr->ia_valid & ATTR_UID ? " uid" : "", attr->ia_valid & ATTR_SIZE ? " size" : "",
	    attr->ia_valid & ATTR_MTIME ? " mtime" : "");
	if (attr->ia_valid & ATTR_MODE && attr->ia_mode & S_ISVTX)
		return -EPERM;
	attr->ia_valid &= ~ATTR_SIZE;
	return simple_setattr(idmap, dentry, attr);
}
static int tree_iterate(struct file *file, struct dir_context *ctx)
{
	struct tnode *dir = file->f_path.dentry->d_fsdata, *n;
	int i = 2;

	if (!dir_emit_dots(file, ctx))
		return 0;
	list_for_each_entry(n, &dir->children, sibling) {
		if (i++ < ctx->pos)
			continue;
		if (!dir_emit(ctx, n->name, strlen(n->name), d_inode(n->dentry)->i_ino, fs_umode_to_dtype(n->mode)))
			return 0;
		ctx->pos++;
	}
	if (i == ctx->pos && dir_emit(ctx, "info", 4, 7, DT_REG))
		ctx->pos++;
	return 0;
}
static ssize_t info_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct dentry *dentry = iocb->ki_filp->f_path.dentry;
	struct tnode *dir = dentry->d_parent->d_fsdata;
	char text[128];
	int n = snprintf(text, sizeof(text), "%s %d writes %d text %s\n", dir->name, S_ISDIR(dir->mode), dir->writes, dir->text);

	if (iocb->ki_pos >= n)
		return 0;
	n = copy_to_iter(text + iocb->ki_pos, n - iocb->ki_pos, to);
	iocb->ki_pos += n;
	return n;
}
static ssize_t info_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct tnode *dir = iocb->ki_filp->f_path.dentry->d_parent->d_fsdata;
	size_t n = min(iov_iter_count(from), sizeof(dir->text) - 1);

	n = copy_from_iter(dir->text, n, from);
	dir->text[n] = 0;
	strim(dir->text);
	dir->writes++;
	return n;
}
static int info_open(struct inode *inode, struct file *file)
{
	say("open %pd, count %d, inode of dentry %d\n", file->f_path.dentry, d_count(file->f_path.dentry) > 0, d_inode(file->f_path.dentry) == inode);
	return 0;
}
static int info_release(struct inode *inode, struct file *file)
{
	say("release %pd\n", file->f_path.dentry);
	return 0;
}
static void tree_iput(struct dentry *dentry, struct inode *inode)
{
	struct tnode *n = dentry->d_fsdata;

	if (n) {
		say("dentry of %s goes, links %u\n", n->name, inode->i_nlink);
		list_del(&n->sibling);
		nodes--;
		kfree(n);
	}
	iput(inode);
}
static const struct dentry_operations tree_dops = { .d_delete = always_delete_dentry, .d_iput = tree_iput };
static const struct inode_operations dir_iops = {
	.lookup = tree_lookup, .mkdir = tree_mkdir, .rmdir = tree_rmdir, .symlink = tree_symlink, .unlink = tree_unlink, .setattr = tree_setattr,
};
static const struct inode_operations link_iops = { .get_link = tree_get_link };
static const struct inode_operations file_iops = { .setattr = tree_setattr };
static const struct file_operations dir_fops = { .owner = THIS_MODULE, .iterate_shared = tree_iterate, .read = generic_read_dir, .llseek = generic_file_llseek };
static const struct file_operations info_fops = {
	.owner = THIS_MODULE, .open = info_open, .release = info_release, .read_iter = info_read, .write_iter = info_write, .llseek = generic_file_llseek,
};
static const struct super_operations tree_sops = { .statfs = simple_statfs, .drop_inode = generic_delete_inode };

static int tree_fill(struct super_block *sb, struct fs_context *fc)
{
	struct tnode *n;
	struct inode *inode;

	if (fail_fill)
		return fail_fill;
	sb->s_magic = 0x6c667472;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_op = &tree_sops;
	sb->s_time_gran = 1;
	n = new_node("root", S_IFDIR | 0755);
	inode = n ? tree_inode(sb, S_IFDIR | 0755) : NULL;
	if (!inode)
		return -ENOMEM;
	sb->s_root = d_make_root(inode);
	if (!sb->s_root)
		return -ENOMEM;
	sb->s_root->d_fsdata = n;
	sb->s_d_op = &tree_dops;
	say("filled, flags active %d, root %pd, type %s\n", !!(sb->s_flags & SB_ACTIVE), sb->s_root, sb->s_type->name);
	return 0;
}
static int tree_get_tree(struct fs_context *fc)
{
	return get_tree_single(fc, tree_fill);
}
static const struct fs_context_operations tree_context = { .get_tree = tree_get_tree };
static int tree_init_context(struct fs_context *fc)
{
	fc->ops = &tree_context;
	return 0;
}
static void tree_kill(struct super_block *sb)
{
	struct tnode *n = sb->s_root ? sb->s_root->d_fsdata : NULL;

	kill_litter_super(sb);
	if (n) {
		nodes--;
		kfree(n);
	}
	pr_info("killed, nodes %d\n", nodes);
}
static struct file_system_type tree_type = { .owner = THIS_MODULE, .name = "lftree", .init_fs_context = tree_init_context, .kill_sb = tree_kill };
static struct vfsmount *mount;
static int mounts;

static int __init lf_init(void)
{
	int err = register_filesystem(&tree_type);

	pr_info("register: %d, again %d\n", err, register_filesystem(&tree_type));
	if (!err && pin) {
		err = simple_pin_fs(&tree_type, &mount, &mounts);
		pr_info("pin: %d, mounts %d\n", err, mounts);
		if (err)
			unregister_filesystem(&tree_type);
	}
	return err;
}
static void __exit lf_exit(void)
{
	pr_info("unregister: %d, nodes %d\n", unregister_filesystem(&tree_type), nodes);
}
module_init(lf_init);
module_exit(lf_exit);
MODULE_ALIAS_FS("lftree");
MODULE_DESCRIPTION("a file system of directories and links");
MODULE_LICENSE("GPL");
