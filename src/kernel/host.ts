/**
 * An image that the guest's root file system is made of (abi/image_format.ts). Its contents are part of what a run starts from, so reading them
 * late does not make a run depend on anything else.
 */
export interface ImageLayer {
  readonly index: Uint8Array;
  /** Fills `into` from a blob; false when that cannot be done. */
  read(blob: number, offset: number, into: Uint8Array): boolean;
  /** A blob's name, for messages. */
  name(blob: number): string;
}

/** The doors to the outside (rule 4): everything that enters or leaves a running kernel passes one of these. */
export interface HostDoors {
  /** Bytes written to the system console (ttyS0). */
  consoleWrite(bytes: Uint8Array): void;
  /** Fills with entropy. In a seeded run the host derives it from the seed. */
  entropy(into: Uint8Array): void;
  /** Wall clock at boot, nanoseconds since the epoch as a number of seconds and nanoseconds. A fixed date in a seeded run. */
  bootTime(): { sec: number; nsec: number };
  /**
   * Host nanoseconds since boot, for pacing; null in a seeded run (the clock is then a function of instructions and idle jumps).
   */
  elapsed: (() => number) | null;
}
