import type { Kernel } from '../kernel.ts';
import { loopbackInit } from './core/dev.ts';
import { inetInit } from './ipv4/af_inet.ts';
import { sockInit } from './socket.ts';
import { unixInit } from './unix/af_unix.ts';

/** The network's start (sock_init, net_dev_init, inet_init, af_unix_init...). */
export function netInit(k: Kernel): void {
  sockInit(k);
  loopbackInit(k);
  unixInit(k);
  inetInit(k);
}
