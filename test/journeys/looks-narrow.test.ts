import { describeLooks } from './looks.ts'

describeLooks(390)
