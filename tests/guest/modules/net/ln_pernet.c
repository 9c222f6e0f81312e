// SPDX-License-Identifier: GPL-2.0
// What a module keeps for each network namespace, and a file in /proc/net that walks it.
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

static int fail_init;
module_param(fail_init, int, 0444);
struct own {
	int value;
	int shown;
};
static unsigned int own_id, second_id;

static void *own_start(struct seq_file *seq, loff_t *pos)
{
	return *pos < 3 ? pos : NULL;
}
static void *own_next(struct seq_file *seq, void *v, loff_t *pos)
{
	++*pos;
	return own_start(seq, pos);
}
static void own_stop(struct seq_file *seq, void *v)
{
}
static int own_show(struct seq_file *seq, void *v)
{
	struct net *net = seq_file_net(seq);
	struct own *own = net_generic(net, own_id);

	seq_printf(seq, "%lld value %d shown %d init_net %d\n", *(loff_t *)v, own->value, own->shown++, net == &init_net);
	return 0;
}
static const struct seq_operations own_seq = { .start = own_start, .next = own_next, .stop = own_stop, .show = own_show };
static int single_show(struct seq_file *seq, void *v)
{
	struct net *net = seq_file_single_net(seq);

	seq_printf(seq, "single, init_net %d, data %s\n", net == &init_net, (char *)pde_data(file_inode(seq->file)));
	return 0;
}
static int __net_init own_init(struct net *net)
{
	struct own *own = net_generic(net, own_id);

	pr_info("init, init_net %d, value %d, ids differ %d\n", net == &init_net, own->value, own_id != second_id);
	own->value = 7;
	if (fail_init)
		return fail_init;
	if (!proc_create_net("lnpernet", 0444, net->proc_net, &own_seq, sizeof(struct seq_net_private)))
		return -ENOMEM;
	if (!proc_create_net_single("lnsingle", 0444, net->proc_net, single_show, "text"))
		return -ENOMEM;
	return 0;
}
static void own_pre_exit(struct net *net)
{
	pr_info("pre_exit\n");
}
static void own_exit(struct net *net)
{
	struct own *own = net_generic(net, own_id);

	pr_info("exit, shown %d\n", own->shown);
	remove_proc_entry("lnpernet", net->proc_net);
	remove_proc_entry("lnsingle", net->proc_net);
}
static void own_exit_batch(struct list_head *list)
{
	struct net *net;
	int n = 0;

	list_for_each_entry(net, list, exit_list)
		n++;
	pr_info("exit_batch of %d\n", n);
}
static struct pernet_operations own_ops = {
	.init = own_init, .pre_exit = own_pre_exit, .exit = own_exit, .exit_batch = own_exit_batch, .id = &own_id, .size = sizeof(struct own),
};
static int second_init(struct net *net)
{
	pr_info("second init, data %d\n", net_generic(net, second_id) != NULL);
	return 0;
}
static void second_exit(struct net *net)
{
	pr_info("second exit\n");
}
static struct pernet_operations second_ops = { .init = second_init, .exit = second_exit, .id = &second_id, .size = 16 };

static int __init ln_init(void)
{
	int err = register_pernet_subsys(&second_ops);

	if (err)
		return err;
	err = register_pernet_device(&own_ops);
	pr_info("register: %d\n", err);
	if (err)
		unregister_pernet_subsys(&second_ops);
	return err;
}
static void __exit ln_exit(void)
{
	unregister_pernet_device(&own_ops);
	unregister_pernet_subsys(&second_ops);
}
module_init(ln_init);
module_exit(ln_exit);
MODULE_DESCRIPTION("data of network namespaces");
MODULE_LICENSE("GPL");
