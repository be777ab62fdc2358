// The package and the chaos tests as plain JavaScript in a folder: worker processes start at once, and from one state of the sources.
import { transformAll, writeCompiled } from '../../scripts/compile.mjs';

const parts = ['src/index.ts', 'src/core', 'src/store', 'src/runtime', 'src/adapters', 'test/chaos'];

export const compileInto = (folder, mutant) => writeCompiled(folder, transformAll(parts), { mutant });
