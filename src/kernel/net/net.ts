import type { Kernel } from '../kernel.ts';
import type { SuperBlock } from '../fs/types.ts';
import type { KernelTimer } from '../time/timekeeping.ts';
import type { AddressNotifier, NetdevNotifier } from './core/dev_chain.ts';
import type { NetDevice } from './core/net_device.ts';
import { Mib } from './core/mib.ts';
import { MEM_DEFAULT } from './core/sock.ts';
import type { Neighbour } from './ipv4/arp.ts';
import { PortTable } from './ipv4/inet_hashtables.ts';
import type { InetSock } from './ipv4/inet_sock.ts';
import type { IpAddr } from './ipv4/ip_addr.ts';
import type { IpPacket } from './ipv4/packet.ts';
import { TcpTable } from './ipv4/tcp_minisocks.ts';
import type { NetlinkSock } from './netlink/af_netlink.ts';
import type { KernelSock } from './netlink/kernel_sock.ts';
import type { PacketSock } from './packet/af_packet.ts';
import type { NetProtoFamily } from './socket.ts';
import type { UnixState } from './unix/unix_sock.ts';

// The state of the network (init_net and what Linux keeps in globals beside it).

/** An IPv4 address of an interface (struct in_ifaddr); addresses are numbers in host order. */
export interface InIfaddr {
  readonly local: number;
  readonly prefixLen: number;
  readonly broadcast: number;
  readonly label: string;
  /** IFA_F_SECONDARY: its net has an address already. */
  readonly secondary: boolean;
  readonly scope: number;
  /** IFAPROT_*: who made it. */
  readonly proto: number;
  /** When, in hundredths of a second. */
  readonly stamp: number;
}
/** An IPv6 address of an interface (struct inet6_ifaddr). */
export interface Inet6Ifaddr {
  readonly addr: Uint8Array;
  readonly prefixLen: number;
  /** IFA_F_*. */
  readonly flags: number;
  readonly scope: number;
  readonly proto: number;
  readonly stamp: number;
}
export class Net {
  nextCookie = 1;
  readonly families = new Map<number, NetProtoFamily>();
  /** Registered interfaces, in the order of init_net.dev_base_head. */
  readonly devices: NetDevice[] = [];
  /** Every struct net_device by its address. */
  readonly byAddr = new Map<number, NetDevice>();
  /** Numbers given out (init_net.ifindex). */
  nextIfindex = 1;
  readonly notifiers: NetdevNotifier[] = [];
  readonly addressNotifiers: AddressNotifier[] = [];
  /** IPv4 neighbours by interface and address (arp_tbl). */
  readonly neighbours = new Map<string, Neighbour>();
  /** netRx, for timers. */
  receiveBacklog!: (k: Kernel) => void;
  /** dev_queue_xmit: a frame to a driver. */
  xmit!: (k: Kernel, dev: NetDevice, frame: Uint8Array, origin: PacketSock | null) => boolean;
  /** Unregistered, to be freed when the lock is given back (net_todo_list). */
  readonly todo: NetDevice[] = [];
  /** struct pernet_operations in the order of registration, and the numbers that they have. */
  readonly pernet: number[] = [];
  readonly pernetIds = new Set<number>();
  /** What a module said beside its errno (struct netlink_ext_ack). */
  extack = '';
  /** struct rtnl_link_ops of modules, in the order of their registration (link_ops). */
  readonly linkOps: number[] = [];
  /** Sockets with a file (/proc/net/sockstat: used). */
  socketsUsed = 0;
  rmemMax = MEM_DEFAULT;
  wmemMax = MEM_DEFAULT;
  rmemDefault = MEM_DEFAULT;
  wmemDefault = MEM_DEFAULT;
  somaxconn = 4096;
  /** net.core.optmem_max: control messages of one send. */
  optmemMax = 131072;
  // The internet protocols.
  readonly mib = new Mib();
  /** Packets between sender and receiver, and whether they are being handled. */
  readonly backlog: IpPacket[] = [];
  receiving = false;
  nextIpId = 0;
  nextPing = 0;
  readonly netlink = new Set<NetlinkSock>();
  /** Netlink protocols that modules serve, by number. */
  readonly netlinkKernel = new Map<number, KernelSock>();
  readonly udp = new PortTable<InetSock>();
  readonly udplite = new PortTable<InetSock>();
  readonly ping = new PortTable<InetSock>();
  readonly raw = new Set<InetSock>();
  readonly packet = new Set<PacketSock>();
  readonly tcp = new TcpTable(new PortTable());
  timewaitTimer: KernelTimer | null = null;
  /** A socket for each group that it joined. */
  readonly memberships: InetSock[] = [];
  // net.ipv4 and net.ipv6.
  defaultTtl = 64;
  portRange: [number, number] = [32768, 60999];
  unprivilegedPortStart = 1024;
  pingGroupRange: [number, number] = [1, 0];
  bindv6only = 0;
  tcpRmem: [number, number, number] = [4096, 131072, 6291456];
  tcpWmem: [number, number, number] = [4096, 16384, 4194304];
  tcpSynRetries = 6;
  tcpSynLinear = 4;
  tcpSynackRetries = 5;
  tcpRetries2 = 15;
  tcpFinTimeout = 60;
  tcpKeepaliveTime = 7200;
  tcpKeepaliveIntvl = 75;
  tcpKeepaliveProbes = 9;
  tcpTwReuse = 2;
  tcpNotsentLowat = 0xffff_ffff;
  sockSb!: SuperBlock;
  unix!: UnixState;

  groupJoined(group: IpAddr): boolean {
    return this.memberships.some((sk) => sk.memberships.some((m) => m.group === group));
  }
}
