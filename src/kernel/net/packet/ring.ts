import { EBUSY, EINVAL, ENOMEM } from '../../../abi/errno.ts';
import * as L from '../../../abi/if_packet.ts';
import type { Kernel } from '../../kernel.ts';
import { PAGE_SIZE } from '../../mm/address.ts';
import { AddressSpace } from '../../mm/filemap.ts';

// The receive ring of a packet socket, version 2 (PACKET_RX_RING; Documentation/networking/packet_mmap.rst). Its frames are pages that the program
// maps; the status word of each says whose turn it is.

/** TPACKET2_HDRLEN. */
export const HEADER = L.Tpacket2.sizeof + L.SockaddrLl.sizeof;
const align = (n: number) => Math.ceil(n / L.TPACKET_ALIGNMENT) * L.TPACKET_ALIGNMENT;
/** Most that one ring may take: pages are allocated at once. */
const MAX_RING = 64 * 1024 * 1024;

export class RxRing extends AddressSpace {
  readonly blockSize: number;
  readonly frameSize: number;
  readonly frames: number;
  head = 0;
  constructor(blockSize: number, blocks: number, frameSize: number, frames: number) {
    super();
    this.blockSize = blockSize;
    this.frameSize = frameSize;
    this.frames = frames;
    this.size = blockSize * blocks;
  }
  private offset(index: number): number {
    const perBlock = Math.floor(this.blockSize / this.frameSize);
    return Math.floor(index / perBlock) * this.blockSize + (index % perBlock) * this.frameSize;
  }
  private status(k: Kernel, index: number): number {
    const word = new Uint8Array(4);
    this.read(k, this.offset(index), word);
    return new DataView(word.buffer).getUint32(0, true);
  }
  /** The frame before the one that is filled next is not the program's any more or never was: nothing to read (packet_previous_rx_frame). */
  hasFrames(k: Kernel): boolean {
    return this.status(k, (this.head + this.frames - 1) % this.frames) !== L.TP_STATUS_KERNEL;
  }
  /** Fills the next frame: false when the program has not given it back. */
  put(k: Kernel, packet: RingPacket): boolean {
    if (this.status(k, this.head) !== L.TP_STATUS_KERNEL) return false;
    const net = align(HEADER + (packet.raw ? 16 : 0)) + (packet.raw ? 0 : 16) + packet.reserve;
    const mac = packet.raw ? net - L.ETH_HLEN : net;
    const snaplen = Math.max(0, Math.min(packet.bytes.length, this.frameSize - mac));
    const out = new Uint8Array(mac + snaplen);
    const v = new DataView(out.buffer);
    v.setUint32(L.Tpacket2.status, packet.status, true);
    v.setUint32(L.Tpacket2.len, packet.length, true);
    v.setUint32(L.Tpacket2.snaplen, snaplen, true);
    v.setUint16(L.Tpacket2.mac, mac, true);
    v.setUint16(L.Tpacket2.net, net, true);
    v.setUint32(L.Tpacket2.sec, packet.sec, true);
    v.setUint32(L.Tpacket2.nsec, packet.nsec, true);
    out.set(packet.from, L.Tpacket2.sizeof);
    out.set(packet.bytes.subarray(0, snaplen), mac);
    const at = this.offset(this.head);
    this.write(k, at + 4, out.subarray(4));
    this.write(k, at, out.subarray(0, 4));
    this.head = (this.head + 1) % this.frames;
    return true;
  }
}
export interface RingPacket {
  readonly bytes: Uint8Array;
  /** Before the filter cut it. */
  readonly length: number;
  readonly raw: boolean;
  readonly reserve: number;
  readonly status: number;
  readonly sec: number;
  readonly nsec: number;
  readonly from: Uint8Array;
}
/** packet_set_ring for a struct tpacket_req. */
export function newRing(k: Kernel, old: RxRing | null, reserve: number, value: Uint8Array): RxRing | null | number {
  if (value.length < 16) return -EINVAL;
  const v = new DataView(value.buffer, value.byteOffset, value.length);
  const [blockSize, blocks, frameSize, frames] = [0, 4, 8, 12].map((at) => v.getUint32(at, true));
  if (old !== null && old.areas.size > 0) return -EBUSY;
  if (blocks === 0) return frames === 0 ? null : -EINVAL;
  if (old !== null) return -EBUSY;
  if (blockSize === 0 || blockSize % PAGE_SIZE !== 0 || frameSize < HEADER + reserve || frameSize % L.TPACKET_ALIGNMENT !== 0) return -EINVAL;
  const perBlock = Math.floor(blockSize / frameSize);
  if (perBlock === 0 || perBlock * blocks !== frames) return -EINVAL;
  if (blockSize * blocks > MAX_RING) return -ENOMEM;
  const ring = new RxRing(blockSize, blocks, frameSize, frames);
  for (let i = 0; i < ring.size / PAGE_SIZE; i++) {
    if (ring.grab(k, i) === 0) {
      ring.release(k);
      return -ENOMEM;
    }
  }
  return ring;
}
