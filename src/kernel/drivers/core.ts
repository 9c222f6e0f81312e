import type { FileOperations, SuperBlock } from '../fs/types.ts';

/** Character devices by major and minor, and the consoles. Owned by the tty helper. */
export interface DriverCore {
  readonly names: readonly string[];
  /** The driver behind a character device number. */
  chrdevOps(rdev: number): FileOperations | null;
  readonly devtmpfs: SuperBlock;
}
