/** Languages of the web: chosen by the person, else by the browser. Messages are typed: a missing key does not compile. */
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import { en } from './en.ts'
import { pseudo } from './pseudo.ts'
import { saidTable } from './said.ts'

export const languages = ['en', 'zh'] as const
export type Language = (typeof languages)[number] | 'pseudo'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

const key = 'hdcs.language'

export function languageWanted(): Language {
  const kept = localStorage.getItem(key)
  if (kept === 'en' || kept === 'zh' || kept === 'pseudo') return kept
  return navigator.languages.some(wanted => wanted.toLowerCase().startsWith('zh')) &&
    !navigator.languages[0]?.toLowerCase().startsWith('en')
    ? 'zh'
    : 'en'
}

/** Chinese is fetched only by those who read it. */
const load = {
  en: async () => en,
  zh: async () => {
    const [{ zh }, { zhSaid }] = await Promise.all([import('./zh.ts'), import('./zh-said.ts')])
    saidTable(zhSaid)
    return zh
  },
  pseudo: async () => pseudo(en),
} satisfies Record<Language, () => Promise<object>>

/** A key that is missing at run time is an error in the console, which the journeys fail on. */
export async function startLanguage(): Promise<void> {
  const language = languageWanted()
  await i18next.use(initReactI18next).init({
    lng: language,
    fallbackLng: 'en',
    resources: { en: { translation: en }, [language]: { translation: await load[language]() } },
    interpolation: { escapeValue: false },
    saveMissing: true,
    missingKeyHandler: (_languages, _namespace, missing) => console.error(`missing message: ${missing}`),
    pluralSeparator: '_',
  })
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
}

export async function changeLanguage(language: Language): Promise<void> {
  // Kept first: if its part cannot be fetched, the page that is loaded anew comes in it.
  localStorage.setItem(key, language)
  i18next.addResourceBundle(language, 'translation', await load[language](), true, true)
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  await i18next.changeLanguage(language)
}

/** The tag for `Intl`. */
export const intlLanguage = () => (i18next.language === 'zh' ? 'zh-CN' : 'en-GB')
