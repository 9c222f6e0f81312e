// Network devices inside the kernel (include/linux/netdevice.h, uapi/linux/netdevice.h, if_arp.h, if_ether.h).

/** net_device.priv_flags. */
export const IFF_LIVE_ADDR_CHANGE = 1 << 15;
export const IFF_XMIT_DST_RELEASE = 1 << 5;
export const IFF_TX_SKB_SHARING = 1 << 11;
export const IFF_UNICAST_FLT = 1 << 12;
export const IFF_XMIT_DST_RELEASE_PERM = 1 << 17;
export const IFF_NO_QUEUE = 1 << 19;
/** Bits of net_device.state. */
export const LINK_STATE_START = 1;
export const LINK_STATE_PRESENT = 2;
export const LINK_STATE_NOCARRIER = 4;
export const LINK_STATE_DORMANT = 16;
export const LINK_STATE_TESTING = 32;
/** net_device.reg_state. */
export const NETREG_UNINITIALIZED = 0;
export const NETREG_REGISTERED = 1;
export const NETREG_UNREGISTERING = 2;
export const NETREG_UNREGISTERED = 3;
export const NETREG_RELEASED = 4;
/** net_device.pcpu_stat_type. */
export const NETDEV_PCPU_STAT_LSTATS = 1;
export const NETDEV_PCPU_STAT_TSTATS = 2;
export const NETDEV_PCPU_STAT_DSTATS = 3;
/** sizeof(struct pcpu_dstats) and of the other two, with their alignment. */
export const PCPU_STATS_SIZE: readonly number[] = [0, 16, 32, 64];
export const NET_ADDR_PERM = 0;
export const NET_ADDR_RANDOM = 1;
export const NET_ADDR_SET = 3;
export const NET_NAME_ENUM = 1;
export const NET_NAME_USER = 3;
export const NET_NAME_RENAMED = 4;
export const NETIF_F_GSO = 1 << 11;
export const NETIF_F_GRO = 1 << 14;
export const NETIF_F_HIGHDMA = 1 << 5;
/** netdev_queue.state: the driver takes nothing now. */
export const QUEUE_STATE_DRV_XOFF = 1;
/** What ndo_start_xmit returns. */
export const NETDEV_TX_OK = 0;
export const NETDEV_TX_BUSY = 0x10;
/** RFC 2863 (net_device.operstate). */
export const IF_OPER_UNKNOWN = 0;
export const IF_OPER_DOWN = 2;
export const IF_OPER_DORMANT = 5;
export const IF_OPER_UP = 6;
export const ARPHRD_ETHER = 1;
export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const ETH_DATA_LEN = 1500;
export const ETH_MIN_MTU = 68;
export const IFNAMSIZ = 16;
export const MAX_ADDR_LEN = 32;
export const NETDEV_ALIGN = 32;
export const GSO_MAX_SEGS = 65535;
export const GSO_LEGACY_MAX_SIZE = 65536;
export const TSO_LEGACY_MAX_SIZE = 65536;
/** drivers/net/loopback.c: netif_set_tso_max_size(dev, GSO_MAX_SIZE). */
export const GSO_MAX_SIZE = 524280;
export const DEFAULT_TX_QUEUE_LEN = 1000;
/** sk_buff, byte 128: who a packet is for, and how its checksum stands. */
export const PACKET_HOST = 0;
export const PACKET_BROADCAST = 1;
export const PACKET_MULTICAST = 2;
export const PACKET_OTHERHOST = 3;
export const SKB_PKT_TYPE_MASK = 7;
/** Space in front of the data of a buffer for a device: NET_SKB_PAD. */
export const NET_SKB_PAD = 64;
