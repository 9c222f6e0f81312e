import { NLMSG_HDRLEN } from '../../../abi/netlink.ts';

// Netlink messages as bytes: headers and attributes (lib/nlattr.c, netlink(3)).

const align = (n: number) => (n + 3) & ~3;

/** A message being made. Attributes are aligned to 4 bytes. */
export class NlMessage {
  private bytes: Uint8Array = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private length = NLMSG_HDRLEN;

  constructor(type: number, flags: number, seq: number, portid: number) {
    this.view.setUint16(4, type, true);
    this.view.setUint16(6, flags, true);
    this.view.setUint32(8, seq, true);
    this.view.setUint32(12, portid, true);
  }
  private reserve(n: number): number {
    const at = this.length;
    this.length += n;
    if (this.length > this.bytes.length) {
      const bigger = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      bigger.set(this.bytes);
      this.bytes = bigger;
      this.view = new DataView(bigger.buffer);
    }
    return at;
  }
  put(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.reserve(align(bytes.length)));
    return this;
  }
  u8(...values: readonly number[]): this {
    return this.raw(values, 1);
  }
  u32(...values: readonly number[]): this {
    return this.raw(values, 4);
  }
  private raw(values: readonly number[], width: 1 | 4): this {
    const at = this.reserve(values.length * width);
    values.forEach((v, i) => {
      if (width === 1) this.view.setUint8(at + i, v);
      else this.view.setUint32(at + i * 4, v >>> 0, true);
    });
    return this;
  }
  attr(type: number, bytes: Uint8Array): this {
    const at = this.reserve(4 + align(bytes.length));
    this.view.setUint16(at, 4 + bytes.length, true);
    this.view.setUint16(at + 2, type, true);
    this.bytes.set(bytes, at + 4);
    return this;
  }
  attrU8(type: number, value: number): this {
    return this.attr(type, new Uint8Array([value]));
  }
  attrU32(type: number, ...values: readonly number[]): this {
    const b = new Uint8Array(values.length * 4);
    const v = new DataView(b.buffer);
    values.forEach((n, i) => {
      v.setUint32(i * 4, n >>> 0, true);
    });
    return this.attr(type, b);
  }
  attrU64(type: number, ...values: readonly number[]): this {
    const b = new Uint8Array(values.length * 8);
    const v = new DataView(b.buffer);
    values.forEach((n, i) => {
      v.setBigUint64(i * 8, BigInt(n), true);
    });
    return this.attr(type, b);
  }
  attrString(type: number, s: string): this {
    return this.attr(type, new Uint8Array([...s, '\0'].map((c) => c.charCodeAt(0))));
  }
  /** Attributes inside an attribute; `fill` adds them. */
  nest(type: number, fill: (m: NlMessage) => void): this {
    const at = this.reserve(4);
    fill(this);
    this.view.setUint16(at, this.length - at, true);
    this.view.setUint16(at + 2, type, true);
    return this;
  }
  /** The whole message, its length in the header. */
  finish(): Uint8Array {
    this.view.setUint32(0, this.length, true);
    return this.bytes.slice(0, this.length);
  }
}

/** A request that came in: its header and what follows. */
export interface NlRequest {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly portid: number;
  /** After the header. */
  readonly body: Uint8Array;
  /** All of it, for the answer to an error. */
  readonly whole: Uint8Array;
  /** What the handler has to say about its errno, for sockets with NETLINK_EXT_ACK. */
  extack?: string;
}
/** Attributes from byte `at` of `bytes` on; the last of a type counts. */
export function parseAttrs(bytes: Uint8Array, at: number): Map<number, Uint8Array> {
  const out = new Map<number, Uint8Array>();
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = at; i + 4 <= bytes.length; ) {
    const length = v.getUint16(i, true);
    if (length < 4 || i + length > bytes.length) break;
    out.set(v.getUint16(i + 2, true) & 0x3fff, bytes.subarray(i + 4, i + length));
    i += align(length);
  }
  return out;
}
export const viewOf = (b: Uint8Array) => new DataView(b.buffer, b.byteOffset, b.length);
export const u32Of = (b: Uint8Array | undefined) => (b === undefined || b.length < 4 ? undefined : viewOf(b).getUint32(0, true));
