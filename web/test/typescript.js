// Lets Node 20 import TypeScript sources. The TypeScript compiler removes the types.
import { register } from 'node:module';

const hooks = `
  import { readFile } from 'node:fs/promises';
  import { fileURLToPath } from 'node:url';
  import ts from ${JSON.stringify(import.meta.resolve('typescript'))};
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 };
  export async function load(url, context, next) {
    if (!url.endsWith('.ts')) return next(url, context);
    const text = await readFile(fileURLToPath(url), 'utf8');
    const source = ts.transpileModule(text, { compilerOptions }).outputText;
    return { format: 'module', source, shortCircuit: true };
  }`;
register('data:text/javascript,' + encodeURIComponent(hooks));
