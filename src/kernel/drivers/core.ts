/** Character devices by major and minor, and the consoles. Owned by the tty helper. */
export interface DriverCore {
  readonly names: readonly string[];
}
