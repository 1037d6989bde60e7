/**
 * House rules that no compiler checks: layering, import cycles, ambient effects, module state.
 * Run on the source tree: `node dist/test/tidy/tidy.js [root]`. Prints one line per fault; exit status 1 if any.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import ts from 'typescript'
import { HOMES, IMPLEMENTATIONS, LAYERS } from './layers.ts'

const AMBIENT = /^(Date\.now|Math\.random|AbortSignal\.timeout|performance\.now|process\.(env|exit|on|hrtime)|console\.\w+|setTimeout|setInterval|setImmediate|crypto\.(randomUUID|randomBytes|getRandomValues))$/
const AMBIENT_ALLOWED = /^(src\/platform|src\/daemon|src\/cli|agent\/kernel\/linux|test)\//
const CONSTANT_NEW = /^(Set|Map|RegExp|TextEncoder|TextDecoder|URL)$/

export interface Fault { readonly path: string; readonly line: number; readonly text: string }
export interface Source { readonly path: string; readonly text: string }

export function tidy(sources: readonly Source[]): Fault[] {
  const faults: Fault[] = []
  const graph = new Map<string, string[]>()
  for (const source of sources) {
    const tree = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true)
    const report = (node: ts.Node, text: string): void => {
      faults.push({ path: source.path, line: tree.getLineAndCharacterOfPosition(node.getStart()).line + 1, text })
    }
    const isTest = source.path.startsWith('test/') || source.path.endsWith('.test.ts')
    graph.set(source.path, checkImports(tree, source.path, isTest, report))
    if (!isTest) {
      checkModuleState(tree, report)
      checkBodies(tree, source.path, report)
    }
  }
  return [...faults, ...findCycles(graph)]
}

type Report = (node: ts.Node, text: string) => void

function checkImports(tree: ts.SourceFile, path: string, isTest: boolean, report: Report): string[] {
  const targets: string[] = []
  for (const statement of tree.statements) {
    if (ts.isExportAssignment(statement)) report(statement, 'default export: name it')
    if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue
    const specifier = statement.moduleSpecifier
    if (specifier === undefined || !ts.isStringLiteral(specifier)) continue
    if (!specifier.text.startsWith('.')) {
      if (!isTest && !isHome(specifier.text, path)) report(statement, `${specifier.text} has no home in ${dirname(path)}`)
      continue
    }
    const target = normalize(join(dirname(path), specifier.text))
    const typeOnly = ts.isImportDeclaration(statement) && statement.importClause?.isTypeOnly === true
    if (!typeOnly) targets.push(target)
    if (!isTest && !mayImport(path, target)) report(statement, `${folderOf(path)} may not import ${target}`)
  }
  return targets
}

function isHome(specifier: string, path: string): boolean {
  return HOMES.some(([pattern, folders]) => pattern.test(specifier) && folders.some(folder => folder === '' || path.startsWith(`${folder}/`)))
}

function folderOf(path: string): string {
  let best = ''
  for (const [folder] of LAYERS) if (path.startsWith(`${folder}/`) && folder.length > best.length) best = folder
  return best
}

function mayImport(from: string, to: string): boolean {
  const fromFolder = folderOf(from)
  const toFolder = folderOf(to)
  for (const [folder, callers] of IMPLEMENTATIONS) {
    if (toFolder === folder && fromFolder !== folder && !callers.includes(fromFolder)) return false
  }
  if (fromFolder === toFolder) return true
  const allowed = LAYERS.find(([folder]) => folder === fromFolder)?.[1] ?? []
  return allowed.some(folder => to.startsWith(`${folder}/`) || to === folder)
}

function checkModuleState(tree: ts.SourceFile, report: Report): void {
  for (const statement of tree.statements) {
    if (!ts.isVariableStatement(statement)) continue
    if ((statement.declarationList.flags & ts.NodeFlags.Const) === 0) report(statement, 'module-level let/var: make it a field')
    for (const { initializer } of statement.declarationList.declarations) {
      if (initializer === undefined || !ts.isNewExpression(initializer)) continue
      const name = initializer.expression.getText()
      if (!CONSTANT_NEW.test(name)) report(initializer, `module-level new ${name}: construct it in src/daemon and pass it in`)
    }
  }
}

function checkBodies(tree: ts.SourceFile, path: string, report: Report): void {
  const visit = (node: ts.Node): void => {
    if (!AMBIENT_ALLOWED.test(path)) {
      if (ts.isPropertyAccessExpression(node) && AMBIENT.test(node.getText())) report(node, `${node.getText()}: take it as an injected interface`)
      if (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && AMBIENT.test(node.expression.text)) report(node, `${node.expression.text}: take a Clock`)
      if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && (node.arguments?.length ?? 0) === 0) report(node, 'new Date(): take a Clock')
    }
    ts.forEachChild(node, visit)
  }
  visit(tree)
}

function findCycles(graph: ReadonlyMap<string, readonly string[]>): Fault[] {
  const faults: Fault[] = []
  const done = new Set<string>()
  const walk = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) faults.push({ path, line: 1, text: `import cycle: ${[...trail.slice(at), path].join(' -> ')}` })
    if (at >= 0 || done.has(path)) return
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) walk(path, [])
  return faults
}

export function readSources(root: string): Source[] {
  return ['src', 'manager', 'agent', 'test'].flatMap(top =>
    readdirSync(join(root, top), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts') && !/(^|\/)(dist|node_modules)\//.test(name))
      .map(name => ({ path: relative(root, join(root, top, name)), text: readFileSync(join(root, top, name), 'utf8') })),
  )
}
