import type { Kernel } from '../../kernel.ts';
import type { Inet6Ifaddr, InIfaddr } from '../net.ts';
import type { NetDevice } from './net_device.ts';

// What happens to interfaces and their addresses, told to the protocols (call_netdevice_notifiers, inetaddr_chain).

/** NETDEV_REGISTER, _UP, _DOWN, _CHANGE, _CHANGENAME, _UNREGISTER. */
export type NetdevEvent = 'register' | 'up' | 'down' | 'change' | 'rename' | 'unregister';
export type NetdevNotifier = (k: Kernel, dev: NetDevice, event: NetdevEvent) => void;
/** One of the two, added or removed. */
export interface AddressChange {
  readonly dev: NetDevice;
  readonly inet?: InIfaddr;
  readonly inet6?: Inet6Ifaddr;
  readonly added: boolean;
}
export type AddressNotifier = (k: Kernel, change: AddressChange) => void;

export function netdevNotify(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  for (const notify of k.net.notifiers) notify(k, dev, event);
}
export function addressNotify(k: Kernel, change: AddressChange): void {
  for (const notify of k.net.addressNotifiers) notify(k, change);
}
