// SPDX-License-Identifier: GPL-2.0
// A kind of interface, "lnsink", that swallows packets and says which of its functions are called.
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_arp.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/rtnetlink.h>

static int count = 1;
module_param(count, int, 0444);
static int fail_init, fail_open, fail_validate;
module_param(fail_init, int, 0644);
module_param(fail_open, int, 0644);
module_param(fail_validate, int, 0644);

struct sink {
	u64 packets;
	u64 bytes;
	int opens;
};

static int sink_init(struct net_device *dev)
{
	netdev_info(dev, "init, reg_state %d, private data %s\n", dev->reg_state, ((struct sink *)netdev_priv(dev))->opens ? "used" : "empty");
	return fail_init;
}
static void sink_uninit(struct net_device *dev)
{
	netdev_info(dev, "uninit, reg_state %d\n", dev->reg_state);
}
static int sink_open(struct net_device *dev)
{
	struct sink *s = netdev_priv(dev);

	if (fail_open)
		return fail_open;
	s->opens++;
	netif_start_queue(dev);
	netdev_info(dev, "open %d, running %d, up %d\n", s->opens, netif_running(dev), !!(dev->flags & IFF_UP));
	return 0;
}
static int sink_stop(struct net_device *dev)
{
	netif_stop_queue(dev);
	netdev_info(dev, "stop, running %d, up %d\n", netif_running(dev), !!(dev->flags & IFF_UP));
	return 0;
}
static netdev_tx_t sink_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct sink *s = netdev_priv(dev);

	s->packets++;
	s->bytes += skb->len;
	netdev_info(dev, "xmit %u bytes, protocol %04x, mac_len %u, headroom %d, from me %d, %s\n", skb->len, ntohs(skb->protocol), skb->mac_len,
		    skb_headroom(skb) >= 0, ether_addr_equal(eth_hdr(skb)->h_source, dev->dev_addr), in_softirq() ? "softirq off" : "?");
	dev_kfree_skb(skb);
	return NETDEV_TX_OK;
}
static void sink_stats(struct net_device *dev, struct rtnl_link_stats64 *st)
{
	struct sink *s = netdev_priv(dev);

	st->tx_packets = s->packets;
	st->tx_bytes = s->bytes;
	st->rx_errors = 3;
	st->multicast = 5;
	st->collisions = 7;
	st->tx_carrier_errors = 2;
}
static void sink_rx_mode(struct net_device *dev)
{
	netdev_info(dev, "rx mode, flags %#x, promiscuity %u\n", dev->flags & (IFF_PROMISC | IFF_ALLMULTI), dev->promiscuity);
}
static void sink_rx_flags(struct net_device *dev, int flags)
{
	netdev_info(dev, "rx flags %#x\n", flags);
}
static int sink_mtu(struct net_device *dev, int mtu)
{
	netdev_info(dev, "mtu %u to %d\n", dev->mtu, mtu);
	if (mtu == 1234)
		return -ERANGE;
	dev->mtu = mtu;
	return 0;
}
static int sink_mac(struct net_device *dev, void *addr)
{
	int r = eth_mac_addr(dev, addr);

	netdev_info(dev, "mac %pM: %d\n", ((struct sockaddr *)addr)->sa_data, r);
	return r;
}
static int sink_carrier(struct net_device *dev, bool on)
{
	if (on)
		netif_carrier_on(dev);
	else
		netif_carrier_off(dev);
	netdev_info(dev, "carrier %d\n", netif_carrier_ok(dev));
	return 0;
}
static const struct net_device_ops sink_ops = {
	.ndo_init = sink_init,
	.ndo_uninit = sink_uninit,
	.ndo_open = sink_open,
	.ndo_stop = sink_stop,
	.ndo_start_xmit = sink_xmit,
	.ndo_get_stats64 = sink_stats,
	.ndo_set_rx_mode = sink_rx_mode,
	.ndo_change_rx_flags = sink_rx_flags,
	.ndo_change_mtu = sink_mtu,
	.ndo_set_mac_address = sink_mac,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_change_carrier = sink_carrier,
};
static const struct ethtool_ops sink_ethtool_ops = {
	.get_link = ethtool_op_get_link,
};
static void sink_destructor(struct net_device *dev)
{
	pr_info("destructor of %s, reg_state %d\n", dev->name, dev->reg_state);
}
static void sink_setup(struct net_device *dev)
{
	ether_setup(dev);
	dev->netdev_ops = &sink_ops;
	dev->ethtool_ops = &sink_ethtool_ops;
	dev->needs_free_netdev = true;
	dev->priv_destructor = sink_destructor;
	dev->flags |= IFF_NOARP;
	dev->min_mtu = 100;
	dev->max_mtu = 2000;
	eth_hw_addr_random(dev);
}
static int sink_validate(struct nlattr *tb[], struct nlattr *data[], struct netlink_ext_ack *extack)
{
	if (fail_validate) {
		NL_SET_ERR_MSG(extack, "lnsink does not want to");
		return fail_validate;
	}
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) != ETH_ALEN)
		return -EINVAL;
	pr_info("validate: address %d, mtu %d, data %d\n", !!tb[IFLA_ADDRESS], tb[IFLA_MTU] ? nla_get_u32(tb[IFLA_MTU]) : 0, !!data);
	return 0;
}
static struct rtnl_link_ops sink_link = {
	.kind = "lnsink",
	.priv_size = sizeof(struct sink),
	.setup = sink_setup,
	.validate = sink_validate,
};
static int sink_one(void)
{
	static const u8 mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 1 };
	struct net_device *dev = alloc_netdev(sizeof(struct sink), "sink%d", NET_NAME_ENUM, sink_setup);
	int err;

	if (!dev)
		return -ENOMEM;
	eth_hw_addr_set(dev, mac);
	dev->rtnl_link_ops = &sink_link;
	err = register_netdevice(dev);
	if (err)
		free_netdev(dev);
	return err;
}
static int __init ln_init(void)
{
	struct net_device *dev;
	int i, err;

	err = rtnl_link_register(&sink_link);
	if (err)
		return err;
	rtnl_lock();
	for (i = 0; i < count && !err; i++)
		err = sink_one();
	for_each_netdev(&init_net, dev)
		pr_info("%d: %s\n", dev->ifindex, dev->name);
	rtnl_unlock();
	if (err) {
		rtnl_link_unregister(&sink_link);
		return err;
	}
	dev = dev_get_by_name(&init_net, "lo");
	if (dev) {
		pr_info("%s is number %d, type %d, mtu %u, %s loopback_dev\n", dev->name, dev->ifindex, dev->type, dev->mtu,
			dev == init_net.loopback_dev ? "it is" : "it is not");
		dev_put(dev);
	}
	return 0;
}
static void __exit ln_exit(void)
{
	rtnl_link_unregister(&sink_link);
	pr_info("gone\n");
}
module_init(ln_init);
module_exit(ln_exit);
MODULE_ALIAS_RTNL_LINK("lnsink");
MODULE_DESCRIPTION("interfaces that swallow packets");
MODULE_LICENSE("GPL");
