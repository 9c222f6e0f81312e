// A netlink family of a module: echoes what it gets, acknowledges, refuses, multicasts.
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <net/net_namespace.h>
#include <net/sock.h>

MODULE_LICENSE("GPL");

#define FAMILY 31
static struct sock *nl;

static void receive(struct sk_buff *skb)
{
	struct nlmsghdr *h = nlmsg_hdr(skb), *to;
	struct sk_buff *answer;
	int n = nlmsg_len(h);
	u32 portid = NETLINK_CB(skb).portid;

	pr_info("type %d seq %d flags 0x%x, %d bytes: %.*s, from program %d\n", h->nlmsg_type, h->nlmsg_seq, h->nlmsg_flags, n, n, (char *)nlmsg_data(h), portid != 0);
	answer = nlmsg_new(n + 8, GFP_KERNEL);
	to = nlmsg_put(answer, 0, h->nlmsg_seq, NLMSG_DONE, n + 4, 0);
	NETLINK_CB(answer).dst_group = 0;
	memcpy(nlmsg_data(to), "got ", 4);
	memcpy(nlmsg_data(to) + 4, nlmsg_data(h), n);
	if (h->nlmsg_type == 20) {
		int r = nlmsg_multicast(nl, answer, 0, 1, GFP_KERNEL);

		pr_info("multicast %d\n", r);
	} else
		pr_info("unicast %d\n", nlmsg_unicast(nl, answer, portid) > 0);
}
static int __init ln_init(void)
{
	struct netlink_kernel_cfg cfg = { .input = receive, .groups = 1 };

	nl = netlink_kernel_create(&init_net, FAMILY, &cfg);
	pr_info("created %d, again %d\n", nl != NULL, netlink_kernel_create(&init_net, FAMILY, &cfg) != NULL);
	return nl ? 0 : -EEXIST;
}
static void __exit ln_exit(void)
{
	netlink_kernel_release(nl);
}
module_init(ln_init);
module_exit(ln_exit);
