import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAttributes } from './log-attributes.ts'
import { checkLogOptions } from './log-options.ts'
import { planLog, planLogAtStart } from './log-plan.ts'
import { parseLogSize } from './log-size.ts'
import { renderTag, type LoggedContainer } from './log-tag.ts'

const WEB: LoggedContainer = {
  id: 'ab'.repeat(32), name: 'web', imageId: `sha256:${'cd'.repeat(32)}`, imageName: 'shop/web:1', command: ['httpd', '-f'],
  labels: { tier: 'front end', 'com.example/owner': 'me', team: 'a' }, env: ['FOO=bar', 'FAR=x=y', 'BARE'],
}

test('which options a driver knows is checked, in the words of dockerd', () => {
  for (const [driver, options, message] of [
    ['json-file', { bogus: '1' }, "unknown log opt 'bogus' for json-file log driver"],
    ['local', { labels: 'a' }, "unknown log opt 'labels' for log driver local"],
    ['journald', { 'max-size': '1m' }, "unknown log opt 'max-size' for journald log driver"],
    ['syslog', { 'syslog-address': 'http://x' }, 'syslog-address should be in form proto://address, got http://x'],
    ['syslog', { 'syslog-address': 'unix:///nosuch' }, 'stat /nosuch: no such file or directory'],
    ['syslog', { 'syslog-facility': '24' }, 'invalid syslog facility'],
    ['syslog', { 'syslog-format': 'x' }, 'Invalid syslog format'],
    ['gelf', {}, "logger: no log driver named 'gelf' is registered"],
    ['local', { mode: 'x' }, 'logger: logging mode not supported: x'],
    ['local', { 'max-buffer-size': '1m' }, "logger: max-buffer-size option is only supported with 'mode=non-blocking'"],
    ['local', { mode: 'non-blocking', 'max-buffer-size': 'x' }, "error parsing option max-buffer-size: invalid size: 'x'"],
  ] as const) assert.throws(() => checkLogOptions(driver, options), { message, kind: 'invalid-argument' })
  checkLogOptions('none', { whatever: 'x' })
  checkLogOptions('syslog', { 'syslog-address': 'udp://[::1]:99', 'syslog-facility': 'local7', 'syslog-format': 'rfc5424', 'cache-disabled': 'true', mode: 'non-blocking', 'max-buffer-size': '4m' })
})

test('values are read at the start, and what is wrong with them said as dockerd says it', () => {
  for (const [driver, options, message] of [
    ['json-file', { 'max-size': 'x' }, "failed to initialize logging driver: invalid size: 'x'"],
    ['json-file', { 'max-size': '0' }, 'failed to initialize logging driver: max-size must be a positive number'],
    ['json-file', { 'max-file': 'x' }, 'failed to initialize logging driver: strconv.Atoi: parsing "x": invalid syntax'],
    ['json-file', { 'max-file': '0' }, 'failed to initialize logging driver: max-file cannot be less than 1'],
    ['json-file', { compress: 'true' }, 'failed to initialize logging driver: compress cannot be true when max-file is less than 2 or max-size is not set'],
    ['local', { 'max-size': 'x' }, "failed to initialize logging driver: invalid value for max-size: x: invalid size: 'x'"],
    ['local', { 'max-file': '1' }, 'failed to initialize logging driver: compression cannot be enabled when max file count is 1'],
    ['json-file', { tag: '{{.Bogus}}' }, 'failed to initialize logging driver: template: log-tag:1:2: executing "log-tag" at <.Bogus>: can\'t evaluate field Bogus in type *logger.Info'],
    ['json-file', { tag: '{{' }, 'failed to initialize logging driver: template: log-tag:1: unclosed action'],
  ] as const) assert.throws(() => planLogAtStart(driver, options, WEB), { message, code: 'invalid-log-option' })
  assert.throws(() => planLogAtStart('json-file', { 'labels-regex': '(' }, WEB), { message: /^failed to initialize logging driver: error parsing regexp: / })
})

test('files are bounded as asked, by thousands for json-file and by 1024 for local', () => {
  assert.deepEqual(planLog('json-file', {}, WEB).file, { bytesMax: 0, filesMax: 1, compress: false })
  assert.deepEqual(planLog('json-file', { 'max-size': '10m', 'max-file': '3' }, WEB).file, { bytesMax: 10_000_000, filesMax: 3, compress: false })
  assert.deepEqual(planLog('local', {}, WEB).file, { bytesMax: 20 * 1024 ** 2, filesMax: 5, compress: true })
  assert.deepEqual(planLog('local', { 'max-size': '1k', 'max-file': '2' }, WEB).file, { bytesMax: 1024, filesMax: 2, compress: true })
  assert.equal(planLog('none', {}, WEB).file, undefined)
  assert.deepEqual(planLog('syslog', { 'cache-max-size': '1m', 'cache-max-file': 'x' }, WEB).file, { bytesMax: 1024 ** 2, filesMax: 5, compress: true })
  assert.equal(planLog('syslog', { 'cache-disabled': 'true' }, WEB).isReadable, false)
  assert.equal(parseLogSize('1.5 kB', { binary: true }), 1536)
})

test('labels, variables and the tag become attributes, encoded as in a query', () => {
  const { attributes } = planLog('json-file', { labels: 'tier,nosuch', 'labels-regex': '^com', env: 'FOO,BARE', 'env-regex': 'AR$', tag: '{{.Name}}/{{.ID}}' }, WEB)
  assert.equal(formatAttributes(attributes), 'FAR=x%3Dy,FOO=bar,com.example%2Fowner=me,tag=web%2Fabababababab,tier=front+end')
  assert.equal(formatAttributes(planLog('json-file', {}, WEB).attributes), '')
})

test('a tag names what dockerd offers', () => {
  assert.equal(renderTag('{{.ID}}|{{ .FullID }}|{{.Name}}|{{.ImageName}}|{{.ImageID}}|{{.DaemonName}}|{{.Command}}', WEB), `abababababab|${WEB.id}|web|shop/web:1|sha256:cdcdc|docker|httpd -f`)
  assert.throws(() => renderTag('{{.Name | upper}}', WEB), { code: 'invalid-log-option' })
  assert.throws(() => renderTag('{{.constructor}}', WEB), { code: 'invalid-log-option' })
})
