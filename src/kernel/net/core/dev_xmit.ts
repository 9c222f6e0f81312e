import { net_device as ND, net_device_ops as NDO, netdev_queue as QUEUE, sk_buff as SKB } from '../../../abi/layout/structs.ts';
import * as L from '../../../abi/if_packet.ts';
import * as D from '../../../abi/netdevice.ts';
import { interruptKind, raise } from '../../irq/interrupt.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, loadBytes, store32, store64, storeBytes } from '../../lib/guest_memory.ts';
import { readKernel32, writeKernel16, writeKernel32 } from '../../mm/maccess.ts';
import { arpReceive } from '../ipv4/arp.ts';
import { deliverFrame, isMartian } from '../packet/af_packet.ts';
import { type Frame, parseFrame } from '../packet/frame.ts';
import type { PacketSock } from '../packet/af_packet.ts';
import { type NetDevice, netdevAt } from './net_device.ts';
import { freeSkb, netdevAllocSkb, pktType, setPktType, skbBytes, skbPull, skbPut } from './skb_alloc.ts';
import { netRx } from '../ipv4/ip_output.ts';

// Packets on their way to a driver and from it (net/core/dev.c). A packet for a driver is a struct sk_buff in the queue of its device; ndo_start_xmit is
// called as a softirq on top of what the CPU does, which is at the latest when the system call that sent it ends.

const NET_RX_SUCCESS = 0;
const NET_RX_DROP = 1;

/** The state of its (first) transmit queue. */
function stopped(k: Kernel, dev: NetDevice): boolean {
  const queue = dev.pointer(ND._tx);
  return queue === 0 || ((readKernel32(k, queue + QUEUE.state) ?? 0) & D.QUEUE_STATE_DRV_XOFF) !== 0;
}
/** dev_queue_xmit of a frame with its Ethernet header. False: dropped. */
export function devQueueXmit(k: Kernel, dev: NetDevice, frame: Uint8Array, origin: PacketSock | null = null): boolean {
  if (!dev.up || dev.pointer(ND._tx) === 0) return false;
  const limit = dev.privFlags & D.IFF_NO_QUEUE ? Number.POSITIVE_INFINITY : dev.txQueueLen;
  const skb = dev.queue.length >= limit ? 0 : netdevAllocSkb(k, dev.addr, frame.length);
  if (skb === 0) return false;
  storeBytes(k, skbPut(k, skb, frame.length), frame);
  const head = load64(k, skb + SKB.data) - load64(k, skb + SKB.head);
  writeKernel16(k, skb + SKB.mac_header, head);
  writeKernel16(k, skb + SKB.network_header, head + D.ETH_HLEN);
  // In network order, as it lies in the frame.
  writeKernel16(k, skb + SKB.protocol, frame[12] | (frame[13] << 8));
  deliverFrame(k, frameOfBytes(frame), L.PACKET_OUTGOING, origin, dev);
  dev.queue.push(skb);
  send(k, dev);
  return true;
}
const frameOfBytes = (bytes: Uint8Array): Frame => ({ bytes, protocol: (bytes[12] << 8) | bytes[13], partial: false, truesize: 768 });

function send(k: Kernel, dev: NetDevice): void {
  if (dev.sending || dev.queue.length === 0) return;
  dev.sending = true;
  raise(k, k.cpu, 'soft', 'net_tx', { dev: dev.addr });
}
/** netif_tx_wake_queue. */
export function wakeQueue(k: Kernel, queue: number): void {
  store32(k, queue + QUEUE.state, load32(k, queue + QUEUE.state) & ~D.QUEUE_STATE_DRV_XOFF);
  const dev = netdevAt(k, load64(k, queue + QUEUE.dev));
  if (dev !== null) send(k, dev);
}
interruptKind('net_tx', {
  begin(k, data) {
    const dev = netdevAt(k, data['dev']);
    if (dev === null) return null;
    dev.sending = false;
    const queueless = (dev.privFlags & D.IFF_NO_QUEUE) !== 0;
    if (stopped(k, dev)) {
      if (queueless && dev.queue.length > 0) {
        k.printk.log(2, `Virtual device ${dev.name} asks to queue packet!`);
        for (const skb of dev.queue.splice(0)) freeSkb(k, skb);
      }
      return null;
    }
    const skb = dev.queue.shift();
    if (skb === undefined) return null;
    dev.sending = true;
    const queue = dev.pointer(ND._tx);
    store64(k, queue + QUEUE.trans_start, k.time.jiffies);
    return { fn: dev.ndo(NDO.ndo_start_xmit), args: [skb, dev.addr] };
  },
  end(k, data, result) {
    const dev = netdevAt(k, data['dev']);
    if (dev === null) return;
    dev.sending = false;
    if (Number(result) === D.NETDEV_TX_BUSY) k.printk.log(3, `BUG ${dev.name} code -1 qlen 1`);
    send(k, dev);
  },
});

/** eth_type_trans: takes the header off, says for whom the packet is; its protocol in network order. */
export function ethTypeTrans(k: Kernel, skb: number, addr: number): number {
  const dev = netdevAt(k, addr);
  store64(k, skb + SKB.dev, addr);
  const data = load64(k, skb + SKB.data);
  writeKernel16(k, skb + SKB.mac_header, data - load64(k, skb + SKB.head));
  const header = loadBytes(k, data, D.ETH_HLEN).slice();
  skbPull(k, skb, D.ETH_HLEN);
  if (header.length < D.ETH_HLEN || dev === null) return 0;
  const own = dev.hwAddress.every((b, i) => b === header[i]);
  if (!own) setPktType(k, skb, (header[0] & 1) === 0 ? D.PACKET_OTHERHOST : dev.broadcast.every((b, i) => b === header[i]) ? D.PACKET_BROADCAST : D.PACKET_MULTICAST);
  const protocol = (header[12] << 8) | header[13];
  // Below 0x600 it is a length: of 802.2 or, with ff ff behind it, of Novell's.
  if (protocol >= 0x600) return header[12] | (header[13] << 8);
  return (readKernel32(k, data + D.ETH_HLEN) ?? 0) % 65536 === 0xffff ? 0x0100 : 0x0400;
}
/** netif_rx, netif_receive_skb: a packet came in through a driver. */
export function netifRx(k: Kernel, skb: number): number {
  const dev = netdevAt(k, load64(k, skb + SKB.dev));
  if (dev === null || !dev.up) {
    if (dev !== null) dev.stats.rxDropped++;
    freeSkb(k, skb);
    return NET_RX_DROP;
  }
  const head = load64(k, skb + SKB.head);
  const data = load64(k, skb + SKB.data);
  const mac = load32(k, skb + SKB.mac_header) & 0xffff;
  const header = loadBytes(k, head + mac, Math.max(0, data - head - mac)).slice();
  const payload = skbBytes(k, skb);
  const type = pktType(k, skb);
  writeKernel32(k, skb + SKB.skb_iif, dev.index);
  freeSkb(k, skb);
  const bytes = new Uint8Array(D.ETH_HLEN + payload.length);
  bytes.set(header.subarray(0, D.ETH_HLEN));
  bytes.set(payload, D.ETH_HLEN);
  deliverFrame(k, frameOfBytes(bytes), type, null, dev);
  const protocol = (bytes[12] << 8) | bytes[13];
  if (protocol !== L.ETH_P_IP && protocol !== L.ETH_P_IPV6) {
    if (protocol !== L.ETH_P_ARP) dev.stats.rxDropped++;
    else if (type !== D.PACKET_OTHERHOST) arpReceive(k, dev, payload);
    return NET_RX_SUCCESS;
  }
  if (type === D.PACKET_OTHERHOST) return NET_RX_SUCCESS;
  const p = parseFrame(bytes);
  if (p !== null && !isMartian(k, p)) {
    k.net.mib.count(protocol === L.ETH_P_IP ? 'IpExtInOctets' : 'Ip6InOctets', payload.length);
    k.net.mib.count(protocol === L.ETH_P_IP ? 'IpExtInNoECTPkts' : 'Ip6InNoECTPkts');
    k.net.backlog.push({ ...p, dev });
    netRx(k);
  }
  return NET_RX_SUCCESS;
}
