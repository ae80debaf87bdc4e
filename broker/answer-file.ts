/**
 * The answer file that Windows Setup finds at the first boot of a guest that was generalised (sysprep /generalize /oobe):
 * written of an administrator's settings, or their own with placeholders. Pure. It is read in the passes specialize and
 * oobeSystem (Microsoft: Unattended Windows Setup Reference; how it comes to the guest: vmm/answer-medium.ts).
 */
import { createHash } from 'node:crypto'
import { DOMParser, type Element } from '@xmldom/xmldom'
import type { AnswersValue } from '../db/schema-customisation.ts'
import { HdcsError } from '../lib/errors.ts'
import { type Xml, xml } from '../lib/xml.ts'

/** What NetBIOS knows of a name; Windows takes no longer one, and none of digits alone. */
const longestName = 15

/** A desktop's name as that of its Windows: the same one wherever Windows takes it, else one that is as much its own. */
export function computerName(desktop: string): string {
  const name = /^\d+$/.test(desktop) ? `d-${desktop}` : desktop
  if (name.length <= longestName) return name
  const own = createHash('sha256').update(desktop).digest('hex').slice(0, 6)
  return `${name.slice(0, longestName - own.length - 1).replace(/-+$/, '')}-${own}`
}

/** What a file is written with: all that `{{NAME}}` may name in one of the administrator's own. */
export type AnswerValues = Record<(typeof answerNames)[number], string> & Record<string, string>

export const answerNames = [
  'HDCS_DESKTOP',
  'HDCS_COMPUTER',
  'HDCS_POOL',
  'HDCS_ADDRESS',
  'HDCS_DOMAIN',
  'HDCS_DOMAIN_USER',
  'HDCS_DOMAIN_OU',
  'HDCS_DOMAIN_PASSWORD',
  'HDCS_ADMINISTRATOR_PASSWORD',
  'HDCS_PRODUCT_KEY',
] as const

const placeholder = /\{\{([A-Z][A-Z0-9_]*)\}\}/g
const namespace = 'urn:schemas-microsoft-com:unattend'

/** @throws HdcsError `invalid` for a value that XML cannot carry. */
export const answerFile = (answers: AnswersValue, values: AnswerValues): string =>
  answers.unattend === null
    ? written(answers, values)
    : answers.unattend.replaceAll(placeholder, (whole, name: string) =>
        Object.hasOwn(values, name) ? xml`${values[name]}`.xml : whole,
      )

const component = (name: string, content: Xml): Xml =>
  xml`<component name="${name}" processorArchitecture="amd64" publicKeyToken="31bf3856ad364e35" language="neutral" versionScope="nonSxS" xmlns:wcm="http://schemas.microsoft.com/WMIConfig/2002/State">
      ${content}
    </component>`

const written = (answers: AnswersValue, values: AnswerValues): string =>
  xml`<?xml version="1.0" encoding="utf-8"?>
<unattend xmlns="${namespace}">
  <settings pass="specialize">
    ${component(
      'Microsoft-Windows-Shell-Setup',
      xml`<ComputerName>${values.HDCS_COMPUTER}</ComputerName>
      ${values.HDCS_PRODUCT_KEY !== '' && xml`<ProductKey>${values.HDCS_PRODUCT_KEY}</ProductKey>`}
      ${answers.timeZone !== null && xml`<TimeZone>${answers.timeZone}</TimeZone>`}`,
    )}
    ${values.HDCS_DOMAIN !== '' && component('Microsoft-Windows-UnattendedJoin', joining(values))}
  </settings>
  <settings pass="oobeSystem">
    ${component(
      'Microsoft-Windows-International-Core',
      xml`<InputLocale>${answers.keyboard ?? answers.language}</InputLocale>
      <SystemLocale>${answers.language}</SystemLocale>
      <UILanguage>${answers.language}</UILanguage>
      <UserLocale>${answers.language}</UserLocale>`,
    )}
    ${component(
      'Microsoft-Windows-Shell-Setup',
      xml`<OOBE>
        <HideEULAPage>true</HideEULAPage>
        <HideLocalAccountScreen>true</HideLocalAccountScreen>
        <HideOEMRegistrationScreen>true</HideOEMRegistrationScreen>
        <HideOnlineAccountScreens>true</HideOnlineAccountScreens>
        <HideWirelessSetupInOOBE>true</HideWirelessSetupInOOBE>
        <ProtectYourPC>3</ProtectYourPC>
      </OOBE>
      ${answers.timeZone !== null && xml`<TimeZone>${answers.timeZone}</TimeZone>`}
      ${values.HDCS_ADMINISTRATOR_PASSWORD !== '' && accounts(answers.administrator, values.HDCS_ADMINISTRATOR_PASSWORD)}`,
    )}
  </settings>
</unattend>
`.xml

/** The account's own domain where its name says one: `CORP\\joiner`, `joiner@corp.example`. */
function joining({ HDCS_DOMAIN: domain, HDCS_DOMAIN_USER: user, ...values }: AnswerValues): Xml {
  const [, before = domain, name = user] = /^([^\\]+)\\(.+)$/.exec(user) ?? []
  const [, account = name, behind = before] = /^([^@]+)@(.+)$/.exec(name) ?? []
  const { HDCS_DOMAIN_OU: ou, HDCS_DOMAIN_PASSWORD: password } = values
  return xml`<Identification>
        <Credentials>
          <Domain>${behind}</Domain>
          <Password>${password}</Password>
          <Username>${account}</Username>
        </Credentials>
        <JoinDomain>${domain}</JoinDomain>
        ${ou !== '' && xml`<MachineObjectOU>${ou}</MachineObjectOU>`}
      </Identification>`
}

const plain = (password: string): Xml => xml`<Value>${password}</Value><PlainText>true</PlainText>`

/** @param name of an account that is made; null: Windows' own administrator. */
const accounts = (name: string | null, password: string): Xml =>
  name === null
    ? xml`<UserAccounts><AdministratorPassword>${plain(password)}</AdministratorPassword></UserAccounts>`
    : xml`<UserAccounts>
        <LocalAccounts>
          <LocalAccount wcm:action="add">
            <Name>${name}</Name>
            <Group>Administrators</Group>
            <Password>${plain(password)}</Password>
          </LocalAccount>
        </LocalAccounts>
      </UserAccounts>`

/** What holds a password or a key is named so, or is the value of what is. */
const secretElement = /(password|productkey)$/i

/**
 * An administrator's own file: XML of Windows Setup, with placeholders that are known, and without passwords, which stand
 * in secrets. Whoever may see a pool's settings reads the rest.
 * @returns what is wrong with it; null: nothing.
 */
export function unattendWrong(text: string, names: readonly string[]): string | null {
  const unknown = [...text.matchAll(placeholder)].map(([, name = '']) => name).find(name => !names.includes(name))
  if (unknown !== undefined) return `There is no value for {{${unknown}}}: known are ${names.join(', ')}.`
  // Entities would read files and fill memories; Setup needs none.
  if (/<!(DOCTYPE|ENTITY)/i.test(text))
    return 'It has a document type, which Windows Setup does not need: leave it out.'
  const root = rootOf(text)
  if (!root) return 'It is no well-formed XML.'
  if (root.localName !== 'unattend' || root.namespaceURI !== namespace)
    return `Its root is not <unattend xmlns="${namespace}">.`
  const literal = [...root.getElementsByTagName('*')].find(isLiteralSecret)
  return literal
    ? `<${literal.localName}> holds a password or key that everybody could read who sees these settings: put {{NAME}} there, and its value into a secret.`
    : null
}

function isLiteralSecret(element: Element): boolean {
  const parent = element.parentNode && 'localName' in element.parentNode ? element.parentNode.localName : null
  const named = secretElement.test(element.localName ?? '')
  const isItsValue = ['Value', 'Key'].includes(element.localName ?? '') && secretElement.test(String(parent))
  if (!(named || isItsValue) || element.getElementsByTagName('*').length > 0) return false
  return (element.textContent ?? '').replaceAll(placeholder, '').trim() !== ''
}

function rootOf(text: string): Element | null {
  const fail = (_level: string, message: string) => {
    throw new HdcsError('invalid', message)
  }
  try {
    return new DOMParser({ onError: fail }).parseFromString(text, 'text/xml').documentElement
  } catch {
    return null // it is said in our words
  }
}
