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
