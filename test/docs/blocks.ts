/** The code of the documents and examples: finds it, lays it out as files, runs it, and reads what its comments promise. */
import { jest } from '@jest/globals';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';
import { formatWithOptions } from 'node:util';

/** A block of TypeScript in a document. */
export interface Block {
  /** `README.md:120`: the document, and the line where the code begins. */
  readonly place: string;
  readonly code: string;
  /**
   * What stands after the language: `no-run` is only compiled, `postgres` needs a server, `pglite` a folder of its own and
   * some seconds.
   */
  readonly mark: string | undefined;
}

const guides = readdirSync('docs/guides').map((file) => `docs/guides/${file}`);
export const documents = ['README.md', 'ARCHITECTURE.md', 'ERRORS.md', ...guides.sort()];

/** Inside the repository, so that packages are found; ignored by git, and by the command, which keeps its stores beside it. */
const workFolder = resolve('.watersmeet/.docs-test');

export const blocksOf = (document: string): ReadonlyArray<Block> => {
  const blocks: Block[] = [];
  let open: { readonly line: number; readonly info: string; readonly lines: string[] } | undefined;
  for (const [index, line] of readFileSync(document, 'utf8').split('\n').entries()) {
    if (open === undefined) {
      const info = /^```(\S.*)$/.exec(line)?.[1];
      if (info !== undefined) open = { line: index + 2, info, lines: [] };
    } else if (line === '```') {
      const [language, mark] = open.info.split(' ');
      if (language === 'ts')
        blocks.push({
          place: `${document}:${open.line}`,
          code: `${open.lines.join('\n')}\n`,
          mark,
        });
      open = undefined;
    } else open.lines.push(line);
  }
  if (open !== undefined) throw new Error(`${document}:${open.line}: a block of code that does not end`);
  return blocks;
};

/** Writes each block to a file of its own; answers the folder and the files in the order of the blocks. */
export const layOut = (name: string, blocks: ReadonlyArray<Block>) => {
  // Runs of two processes must not clear each other's away.
  const folder = join(workFolder, `${name}-${process.pid}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const files = blocks.map(({ place, code }) => {
    const file = join(folder, `${place.replaceAll('/', '-').replace(/\.md:/, '-line-')}.ts`);
    writeFileSync(file, code);
    return file;
  });
  return { folder, files, remove: () => rmSync(folder, { recursive: true, force: true }) };
};

/** A configuration for the compiler over the files of a folder, with the project's own rules. */
export const writeCompilerConfig = (folder: string): string => {
  const up = relative(folder, resolve('.'));
  const config = {
    extends: join(up, 'tsconfig.json'),
    compilerOptions: { rootDir: up, incremental: false, tsBuildInfoFile: null },
    include: ['*.ts'],
  };
  const file = join(folder, 'tsconfig.json');
  writeFileSync(file, JSON.stringify(config));
  return file;
};

/** What the code's `// => ...` comments promise it to print, line by line. */
export const promisedOutput = (code: string): ReadonlyArray<string> =>
  [...code.matchAll(/\/\/ =>(?: (.*))?$/gm)].map(([, line]) => line ?? '');

/** Runs a file as a module and answers what it printed. */
export const outputOf = async (file: string): Promise<ReadonlyArray<string>> => {
  const lines: string[] = [];
  const spy = jest.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    lines.push(...formatWithOptions({ colors: false }, ...values).split('\n'));
  });
  try {
    await import(file);
    return lines;
  } catch (error) {
    throw new Error(`${basename(file)} failed`, { cause: error });
  } finally {
    spy.mockRestore();
  }
};
