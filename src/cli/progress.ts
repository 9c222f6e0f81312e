/** One line of progress on standard error, rewritten in place on a terminal and printed once per step elsewhere. */
export function progressLine(quiet: boolean): { report: (text: string) => void; done: () => void } {
  const tty = process.stderr.isTTY === true;
  let shown = '';
  return {
    report(text: string): void {
      if (quiet || text === shown) return;
      if (tty) process.stderr.write(`\r\u001b[K${text}`);
      else if (!/\d%/.test(text) || /100%/.test(text)) process.stderr.write(`${text}\n`);
      shown = text;
    },
    done(): void {
      if (tty && shown !== '') process.stderr.write('\r\u001b[K');
      shown = '';
    },
  };
}
