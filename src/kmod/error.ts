/** A module that cannot be built, for a reason in its own directory: shown in one line, exit status 1. */
export class BuildError extends Error {
  /** What the compiler or the linker printed. */
  readonly diagnostics: string;

  constructor(message: string, diagnostics = '') {
    super(message);
    this.diagnostics = diagnostics;
  }
}
