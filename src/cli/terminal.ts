const CTRL_RIGHT_BRACKET = 0x1d;
/** Two escape characters within this time end Lintel. */
const ESCAPE_MS = 1000;

export const ESCAPE_HINT = 'Ctrl-] twice ends Lintel';

/** What a guest needs of this process's terminal. */
export interface TerminalUser {
  input(bytes: Uint8Array): void;
  resize(columns: number, rows: number): void;
  /** The terminal is gone or the user asked for the end (Ctrl-] twice). */
  ended(): void;
}

/** Gives the terminal to a guest, byte by byte. Returns a function that puts everything back. */
export function attachTerminal(user: TerminalUser): () => void {
  const { stdin, stdout } = process;
  let lastEscape = Number.NEGATIVE_INFINITY;
  const onData = (chunk: Buffer) => {
    for (const byte of chunk) {
      if (byte !== CTRL_RIGHT_BRACKET) lastEscape = Number.NEGATIVE_INFINITY;
      else if (performance.now() - lastEscape < ESCAPE_MS) return user.ended();
      else lastEscape = performance.now();
    }
    user.input(chunk);
  };
  const onEnd = () => user.ended();
  const onResize = () => user.resize(stdout.columns || 80, stdout.rows || 24);
  const raw = () => void stdin.setRawMode(true);
  raw();
  stdin.on('data', onData);
  stdin.on('end', onEnd);
  stdin.on('error', onEnd);
  stdout.on('resize', onResize);
  process.on('SIGCONT', raw); // a shell that stopped us has put its own modes back
  onResize();
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    stdin.off('error', onEnd);
    stdout.off('resize', onResize);
    process.off('SIGCONT', raw);
    stdin.setRawMode(false);
    stdin.pause();
    stdin.unref?.();
  };
}
