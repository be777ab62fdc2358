// Lets jest find `./x.ts` where the source imports `./x.js`, as TypeScript does; packages keep their own .js files.
const { existsSync } = require('node:fs');
const { resolve, sep } = require('node:path');

const inPackages = `${sep}node_modules${sep}`;

const sourceOf = (request, basedir) => {
  if (!request.startsWith('.') || !request.endsWith('.js') || basedir.includes(inPackages)) return undefined;
  const source = resolve(basedir, request.replace(/\.js$/, '.ts'));
  return existsSync(source) ? source : undefined;
};

module.exports = (request, options) =>
  sourceOf(request, options.basedir) ?? options.defaultResolver(request, options);
module.exports.sourceOf = sourceOf;
