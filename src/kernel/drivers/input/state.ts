/** What the input core counts (drivers/input/input.c). */
export class InputState {
  /** input_no: the next device's number. */
  nextNumber = 0;
  /** Minors of the character devices of handlers. */
  readonly minors = new Set<number>();
}
