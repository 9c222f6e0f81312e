// Packet sockets (include/uapi/linux/if_packet.h, if_ether.h; packet(7)).
/** Offsets in struct sockaddr_ll. */
export const SockaddrLl = { sizeof: 20, family: 0, protocol: 2, ifindex: 4, hatype: 8, pkttype: 10, halen: 11, addr: 12 } as const;
export const ETH_ALEN = 6;
export const ETH_HLEN = 14;
export const ETH_P_ALL = 3;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_IPV6 = 0x86dd;
export const PACKET_HOST = 0;
export const PACKET_OUTGOING = 4;

export const PACKET_ADD_MEMBERSHIP = 1;
export const PACKET_DROP_MEMBERSHIP = 2;
export const PACKET_RX_RING = 5;
export const PACKET_STATISTICS = 6;
export const PACKET_AUXDATA = 8;
export const PACKET_ORIGDEV = 9;
export const PACKET_VERSION = 10;
export const PACKET_HDRLEN = 11;
export const PACKET_RESERVE = 12;
export const PACKET_TIMESTAMP = 17;
export const PACKET_IGNORE_OUTGOING = 23;

/** struct packet_mreq: interface, kind, length of the address, address. */
export const PACKET_MREQ = 16;
export const PACKET_MR_PROMISC = 1;

export const TPACKET_V1 = 0;
export const TPACKET_V2 = 1;
export const TPACKET_V3 = 2;
/** Offsets in struct tpacket2_hdr; a struct sockaddr_ll follows it. */
export const Tpacket2 = { sizeof: 32, status: 0, len: 4, snaplen: 8, mac: 12, net: 14, sec: 16, nsec: 20 } as const;
export const TPACKET_ALIGNMENT = 16;
export const TP_STATUS_KERNEL = 0;
export const TP_STATUS_USER = 1;
export const TP_STATUS_LOSING = 4;
/** The checksum in the packet is that of the pseudo header: the device would have finished it. */
export const TP_STATUS_CSUMNOTREADY = 8;
