import type { SuperBlock } from '../fs/types.ts';
import type { UpDown } from './core/dev.ts';
import { MEM_DEFAULT } from './core/sock.ts';
import type { NetProtoFamily } from './socket.ts';
import type { UnixState } from './unix/unix_sock.ts';

// The state of the network (init_net and what Linux keeps in globals beside it).

/** An IPv4 address of an interface (struct in_ifaddr); addresses are numbers in host order. */
export interface InIfaddr {
  readonly local: number;
  readonly prefixLen: number;
  readonly broadcast: number;
  readonly label: string;
  readonly scope: number;
}
/** An IPv6 address of an interface (struct inet6_ifaddr). */
export interface Inet6Ifaddr {
  readonly addr: Uint8Array;
  readonly prefixLen: number;
  /** IFA_F_*. */
  readonly flags: number;
  readonly scope: number;
}
/** A network interface (struct net_device). */
export interface NetDevice {
  readonly index: number;
  readonly name: string;
  /** IFF_*. */
  flags: number;
  mtu: number;
  txQueueLen: number;
  readonly type: number;
  readonly stats: { rxPackets: number; rxBytes: number; txPackets: number; txBytes: number };
  readonly inet: InIfaddr[];
  readonly inet6: Inet6Ifaddr[];
}

export class Net {
  nextCookie = 1;
  readonly families = new Map<number, NetProtoFamily>();
  readonly devices: NetDevice[] = [];
  readonly upDown: UpDown[] = [];
  /** Sockets with a file (/proc/net/sockstat: used). */
  socketsUsed = 0;
  rmemMax = MEM_DEFAULT;
  wmemMax = MEM_DEFAULT;
  rmemDefault = MEM_DEFAULT;
  wmemDefault = MEM_DEFAULT;
  somaxconn = 4096;
  /** net.core.optmem_max: control messages of one send. */
  optmemMax = 131072;
  sockSb!: SuperBlock;
  unix!: UnixState;
}
