import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { readSources, type Source } from './tidy.ts'

const TOP_FOLDERS = ['src', 'manager', 'agent']
const product = (): readonly Source[] => readSources('.').filter(source => !source.path.startsWith('test/') && !source.path.endsWith('.test.ts'))

/** Code -> file of its row. */
function documentedCodes(): ReadonlyMap<string, string> {
  const codes = new Map<string, string>()
  for (const folder of TOP_FOLDERS) {
    for (const line of readFileSync(`${folder}/errors.md`, 'utf8').split('\n')) {
      const code = /^\| *`?([a-z0-9-]+)`? *\|/.exec(line)?.[1]
      if (code !== undefined && code !== 'code' && !/^-+$/.test(code)) codes.set(code, `${folder}/errors.md`)
    }
  }
  return codes
}

test('every error code that is thrown has its row in an errors.md', () => {
  const documented = documentedCodes()
  const missing = product().flatMap(({ path, text }) => [...text.matchAll(/new ShoalError\(\s*'[a-z-]+',\s*'([a-z0-9-]+)'/g)].filter(match => !documented.has(match[1] ?? '')).map(match => `${path}: ${match[1] ?? ''}`))
  assert.deepEqual(missing, [])
})

test('every error code with a row is thrown somewhere', () => {
  const sources = product().map(({ text }) => text).join('\n')
  const unused = [...documentedCodes()].filter(([code]) => !sources.includes(`'${code}'`) && !(code.startsWith('swarm-') && sources.includes(`'${code.slice('swarm-'.length)}'`))).map(([code, file]) => `${file}: ${code}`)
  assert.deepEqual(unused, [])
})

test('every D-number that is referred to stands in a DECISIONS.md, once', () => {
  const titles = TOP_FOLDERS.flatMap(folder => [...readFileSync(`${folder}/DECISIONS.md`, 'utf8').matchAll(/^## (D-\d{3}) /gm)].map(match => match[1] ?? ''))
  assert.equal(new Set(titles).size, titles.length, `a number is given twice: ${titles.filter((title, i) => titles.indexOf(title) !== i).join(' ')}`)
  const files = [...product(), ...readmes()]
  const dangling = files.flatMap(({ path, text }) => [...text.matchAll(/\bD-\d{3}\b/g)].filter(([number]) => !titles.includes(number)).map(([number]) => `${path}: ${number}`))
  assert.deepEqual(dangling, [])
})

test('each decision is at most 20 lines', () => {
  for (const folder of TOP_FOLDERS) {
    for (const section of readFileSync(`${folder}/DECISIONS.md`, 'utf8').split(/^## /m).slice(1)) assert.ok(section.trim().split('\n').length <= 20, `${folder}/DECISIONS.md: ${section.split('\n')[0] ?? ''}`)
  }
})

test('the top level holds what the layout says and nothing else', () => {
  const allowed = new Set(['package.json', 'package-lock.json', 'tsconfig.json', 'proto', 'src', 'agent', 'manager', 'test', 'deploy', 'README.md', 'LICENSE', 'CHANGELOG.md', 'node_modules', 'dist'])
  assert.deepEqual(readdirSync('.').filter(name => !name.startsWith('.') && !allowed.has(name)), [])
})

function readmes(): readonly Source[] {
  return ['README.md', ...['src', 'manager', 'agent', 'test', 'deploy', 'src/api'].map(folder => `${folder}/README.md`)].filter(path => existsSync(path)).map(path => ({ path, text: readFileSync(path, 'utf8') }))
}
