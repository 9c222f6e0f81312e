/** A small seeded generator (mulberry32) for hosts that run from a seed. Not for secrets. */
export class SeededBytes {
  private a: number;
  constructor(seed: number) {
    this.a = seed >>> 0;
  }
  /** The next 32 bits (mulberry32). */
  next(): number {
    this.a = (this.a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(this.a ^ (this.a >>> 15), this.a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }
  fill(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = this.next() >>> 24;
  }
}
