// SPDX-License-Identifier: GPL-2.0
// An Ethernet device whose other end answers every ping, and sends other packets back as they came.
#include <linux/etherdevice.h>
#include <linux/icmp.h>
#include <linux/ip.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/timer.h>
#include <net/checksum.h>

static int slow;
module_param(slow, int, 0644);
MODULE_PARM_DESC(slow, "stop the queue after each packet, for so many jiffies");

static int arp, dumb;
module_param(arp, int, 0444);
MODULE_PARM_DESC(arp, "the other end is to be asked for its address");
module_param(dumb, int, 0644);
MODULE_PARM_DESC(dumb, "it does not answer");
static const u8 other_end[ETH_ALEN] = { 2, 0, 0, 0, 0, 0x10 };

static struct net_device *echo_dev;
struct echo {
	struct net_device *dev;
	struct timer_list timer;
	int stops;
};

static void echo_wake(struct timer_list *t)
{
	struct echo *e = from_timer(e, t, timer);

	netif_wake_queue(e->dev);
}
static void echo_back(struct net_device *dev, struct sk_buff *skb)
{
	struct sk_buff *back = netdev_alloc_skb(dev, skb->len + 32);
	struct ethhdr *eth;
	struct iphdr *ip;
	u8 mac[ETH_ALEN];

	if (!back) {
		dev->stats.rx_dropped++;
		return;
	}
	skb_reserve(back, 16);
	skb_put_data(back, skb->data, skb->len);
	eth = (struct ethhdr *)back->data;
	ether_addr_copy(mac, eth->h_dest);
	ether_addr_copy(eth->h_dest, eth->h_source);
	ether_addr_copy(eth->h_source, mac);
	if (eth->h_proto == htons(ETH_P_ARP) && back->len >= ETH_HLEN + 28) {
		u8 *p = back->data + ETH_HLEN;
		u8 sender[10];

		pr_info("arp op %u from %pI4 for %pI4, length %u, to everybody %d\n", p[7], p + 14, p + 24, back->len, is_broadcast_ether_addr(mac));
		if (p[7] == 1) {
			/* Who asks becomes who is told; the answer comes from the other end. */
			memcpy(sender, p + 8, 10);
			memcpy(p + 8, other_end, ETH_ALEN);
			memcpy(p + 14, p + 24, 4);
			memcpy(p + 18, sender, 10);
			p[7] = 2;
		}
		ether_addr_copy(eth->h_source, other_end);
	}
	ip = (struct iphdr *)(back->data + ETH_HLEN);
	if (eth->h_proto == htons(ETH_P_IP) && back->len >= ETH_HLEN + sizeof(*ip)) {
		swap(ip->saddr, ip->daddr);
		if (ip->protocol == IPPROTO_ICMP) {
			struct icmphdr *icmp = (struct icmphdr *)((u8 *)ip + ip->ihl * 4);

			if (icmp->type == ICMP_ECHO) {
				u32 sum = (u16)~icmp->checksum;

				icmp->type = ICMP_ECHOREPLY;
				sum += (u16)~htons(ICMP_ECHO << 8);
				sum = (sum & 0xffff) + (sum >> 16);
				icmp->checksum = (u16)~sum;
			}
		}
	}
	back->protocol = eth_type_trans(back, dev);
	dev_sw_netstats_rx_add(dev, back->len + ETH_HLEN);
	netif_rx(back);
}
static netdev_tx_t echo_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct echo *e = netdev_priv(dev);
	struct sk_buff *copy = skb_clone(skb, GFP_ATOMIC);

	dev_sw_netstats_tx_add(dev, 1, skb->len);
	if (slow) {
		e->stops++;
		netif_stop_queue(dev);
		mod_timer(&e->timer, jiffies + slow);
	}
	dev_kfree_skb(skb);
	if (copy && arp && skb_headlen(copy) && eth_hdr(copy)->h_proto == htons(ETH_P_IP))
		pr_info("to %pM\n", eth_hdr(copy)->h_dest);
	if (copy) {
		if (!dumb)
			echo_back(dev, copy);
		consume_skb(copy);
	}
	return NETDEV_TX_OK;
}
static int echo_open(struct net_device *dev)
{
	netif_start_queue(dev);
	return 0;
}
static int echo_stop(struct net_device *dev)
{
	struct echo *e = netdev_priv(dev);

	netif_stop_queue(dev);
	del_timer_sync(&e->timer);
	netdev_info(dev, "stopped its queue %d times\n", e->stops);
	return 0;
}
static const struct net_device_ops echo_ops = {
	.ndo_open = echo_open,
	.ndo_stop = echo_stop,
	.ndo_start_xmit = echo_xmit,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = dev_get_tstats64,
};
static ssize_t stops_show(struct device *d, struct device_attribute *attr, char *buf)
{
	struct echo *e = netdev_priv(to_net_dev(d));

	return sysfs_emit(buf, "%d\n", e->stops);
}
static DEVICE_ATTR_RO(stops);
static struct attribute *echo_attrs[] = { &dev_attr_stops.attr, NULL };
static const struct attribute_group echo_group = { .name = "echo", .attrs = echo_attrs };

static int __init ln_init(void)
{
	static const u8 mac[ETH_ALEN] = { 2, 0, 0, 0, 0, 9 };
	struct echo *e;
	int err;

	echo_dev = alloc_etherdev(sizeof(struct echo));
	if (!echo_dev)
		return -ENOMEM;
	e = netdev_priv(echo_dev);
	e->dev = echo_dev;
	timer_setup(&e->timer, echo_wake, 0);
	eth_hw_addr_set(echo_dev, mac);
	echo_dev->netdev_ops = &echo_ops;
	if (!arp)
		echo_dev->flags |= IFF_NOARP;
	echo_dev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	echo_dev->sysfs_groups[0] = &echo_group;
	strscpy(echo_dev->name, "echo%d", IFNAMSIZ);
	pr_info("before: %s, index %d, refcnt %d\n", echo_dev->name, echo_dev->ifindex, netdev_refcnt_read(echo_dev));
	err = register_netdev(echo_dev);
	if (err) {
		free_netdev(echo_dev);
		return err;
	}
	netdev_info(echo_dev, "registered, state %d, carrier %d, refcnt %d\n", echo_dev->reg_state, netif_carrier_ok(echo_dev), netdev_refcnt_read(echo_dev) > 0);
	return 0;
}
static void __exit ln_exit(void)
{
	unregister_netdev(echo_dev);
	pr_info("%s: reg_state %d\n", echo_dev->name, echo_dev->reg_state);
	free_netdev(echo_dev);
}
module_init(ln_init);
module_exit(ln_exit);
MODULE_DESCRIPTION("an Ethernet device that answers");
MODULE_LICENSE("GPL");
