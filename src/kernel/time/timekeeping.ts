/** Virtual time (docs/architecture.md). Owned by the process helper. */
export interface Timekeeper {
  /** Nanoseconds since boot (CLOCK_MONOTONIC = CLOCK_BOOTTIME). */
  now(): number;
  /** Wall clock: nanoseconds since the epoch as seconds and nanoseconds. */
  wall(): { sec: number; nsec: number };
}
