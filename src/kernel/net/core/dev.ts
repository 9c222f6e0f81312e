import { EINVAL } from '../../../abi/errno.ts';
import { ARPHRD_LOOPBACK, IFF_ALLMULTI, IFF_LOOPBACK, IFF_MULTICAST, IFF_PROMISC, IFF_UP } from '../../../abi/if.ts';
import type { Kernel } from '../../kernel.ts';
import type { NetDevice } from '../net.ts';

// Interfaces (net/core/dev.c, drivers/net/loopback.c).

/** Flags that SIOCSIFFLAGS and RTM_SETLINK change. */
const CHANGEABLE = IFF_UP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | 0xd4a4;

/** Adds what an interface going up or down means for a protocol (netdevice notifiers). */
export type UpDown = (k: Kernel, dev: NetDevice, up: boolean) => void;

export function changeFlags(k: Kernel, dev: NetDevice, flags: number): number {
  const before = dev.flags;
  dev.flags = (dev.flags & ~CHANGEABLE) | (flags & CHANGEABLE);
  const up = (dev.flags & IFF_UP) !== 0;
  if (up !== ((before & IFF_UP) !== 0)) for (const notify of k.net.upDown) notify(k, dev, up);
  return 0;
}
/** dev_set_promiscuity. What the user sees of it as a flag is his own setting. */
export function devSetPromiscuity(k: Kernel, dev: NetDevice, by: number): void {
  const before = dev.promiscuity;
  dev.promiscuity += by;
  if (before === 0 && by > 0) k.printk.log(6, `${dev.name}: entered promiscuous mode`);
  else if (before > 0 && dev.promiscuity === 0) k.printk.log(6, `${dev.name}: left promiscuous mode`);
}
export function setMtu(dev: NetDevice, mtu: number): number {
  if (mtu < 0) return -EINVAL;
  dev.mtu = mtu;
  return 0;
}
export function loopbackInit(k: Kernel): void {
  k.net.devices.push({
    index: 1,
    name: 'lo',
    flags: IFF_LOOPBACK,
    mtu: 65536,
    wasUp: false,
    txQueueLen: 1000,
    promiscuity: 0,
    type: ARPHRD_LOOPBACK,
    stats: { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0, txDropped: 0 },
    inet: [],
    inet6: [],
  });
}
