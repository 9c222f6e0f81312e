/** The kernel log. Owned by the module helper. */
export interface Printk {
  /** Logs a line at `level` (0 KERN_EMERG .. 7 KERN_DEBUG), text without the newline. */
  log(level: number, text: string): void;
}
