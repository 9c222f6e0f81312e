import type { Kernel } from '../kernel.ts';
import { loopbackInit } from './core/dev.ts';
import { netdevVariables } from './core/dev.ts';
import { devProcInit } from './core/dev_proc.ts';
import { netSysctlInit } from './core/sysctl_net.ts';
import { inetInit } from './ipv4/af_inet.ts';
import { netRx } from './ipv4/ip_output.ts';
import { inetProcInit } from './ipv4/proc.ts';
import { netlinkInit } from './netlink/af_netlink.ts';
import { packetInit } from './packet/af_packet.ts';
import { devQueueXmit } from './core/dev_xmit.ts';
import { rtnlAddress, rtnlEvent, rtnlGone } from './core/rtnetlink.ts';
import { sockInit } from './socket.ts';
import { unixInit } from './unix/af_unix.ts';

/** The network's start (sock_init, net_dev_init, inet_init, af_unix_init...). */
export function netInit(k: Kernel): void {
  sockInit(k);
  k.net.xmit = devQueueXmit;
  k.net.receiveBacklog = netRx;
  k.drivers.model.classVariables.set('net', netdevVariables);
  k.net.notifiers.push(rtnlEvent);
  k.net.addressNotifiers.push(rtnlAddress);
  loopbackInit(k);
  unixInit(k);
  inetInit(k);
  netlinkInit(k);
  packetInit(k);
  k.net.notifiers.push(rtnlGone);
  inetProcInit(k);
  devProcInit(k);
  netSysctlInit(k);
}
