#!/usr/bin/env python3
"""Writes src/rag/answer_kin.c: words of everyday questions that mean nearly the same.

    tools/answer_kin.py

A line is a group, in Portuguese, English and Spanish together, lower case and without accents; a "-" at the end is any
ending. They were written down from what people ask of shops, services, schools and offices, and of encyclopedias, before
any page that is tested with was read; what they are worth is measured (docs/answers.md).
"""
import os

GROUPS = """
preco precos custa custam custar custo custos custou valor valores tarifa- taxa taxas price- cost costs fee fees charge- precio- cuesta- cobra cobram cobrado cobrada cobrados cobradas cobrar cobranca-
barat- menor menores economic- cheap- lowest minimo minima basico basica
gratis gratuit- graca free
pagar paga pago pagam pagos pagas pagou pague pagament- pay pays paid paying payment- quitar quitad- pagan pagad-
desconto- descontad- abatiment- promoc- cupom cupons discount- descuent- rebaja-
ganho ganha ganham ganhar ganhos ganhou receber recebe recebem recebo recebido recebida rende renda rendiment- lucr- remunera- comissao comissoes earn earns earning- earned income receive- ganar gana ganan ingresos comision-
reembols- devolv- devoluc- ressarc- estorn- refund- volta
sacar saca saque saques resgat- retirar retirada retiradas withdraw- transferir transferenc- retiro-
imposto- tribut- tax taxes impuesto-
fatura faturas boleto- recibo- invoice- factura-
multa multas penalid- penalty fine fines encargo-
parcela- parcelad- prestac- installment- cuota- dividido dividir vezes
prazo- tempo demora demoram demorar duracao dura duram durar leva levam long takes period- plazo- tarda- esperar espera wait-
horario- expediente horas hora hours schedule- abre abrem aberto aberta abertos funcionamento
data datas date dates fecha fechas dia dias day days
atras- late delay- vencid- retraso-
inicio iniciar inicia comecar comeca comeco comecou start- begin- began empez- comienz-
termin- fim final acaba acabar acabou conclui- conclus- ends ended finish-
cadastr- registr- inscri- inscrev- matricul- regist- conta contas account- cuenta- sign
apagar apaga apago apagado apagados apagada excluir exclu- deletar delete- remov- elimin- encerr- borrar
cancel- desist- rescis- rescind- encerr- anular sair interromp- quit
senha senhas password- contrasen-
acess- login entrar entra entro access-
document- papel papeis comprovante- identidade rg cpf cnpj paper- certidao certid-
mudar muda mudam mudanca- trocar troca troco trocas alter- modific- atualiz- change- cambi- swap- upgrade-
contato- contatar falar falo fala atende atendem atendimento suporte ajuda central chat contact- support- help comunicar contacto-
telefon- fone celular whatsapp ligar ligue phone- llamar numero
emergenc- urgenc- urgente- plantao
reclam- queixa- ouvidoria complain- denunci-
comprar compra compras comprador- adquir- buy buys buyer- purchase- pedido pedidos order orders
vender vende vendem venda vendas vendedor- vendid- comercializ- sell- sale sales sold venta- vendedores
alug- locac- locat- rent rents rental alquil- emprest-
envi- mandar mando manda mandam remet- send sends sent ship- junt- anex-
entreg- deliver- entrega- frete- frete recebimento
agend- marcar marco marca marcad- reserv- book booking appointment- combinar combinada
contrat- assin- adesao aderir subscri- hire- hiring
criar criou criado criada fund- inventou inventad- idealiz- ideia nasceu surgi- found founded founder- create- invent- creo cread- fundad-
dono dona donos proprietari- owner- dueno-
trabalh- emprega- funcionari- colaborador- work works worker- employ- equipe team staff trabaj- emplead-
usar usa usam uso usado usada utiliz- aproveit- use uses used using utilizar
precis- necess- exig- requer requisit- obrigat- need needs required require- requirement- imprescind-
permit- proib- autoriz- allow- vedad- forbid- pode podem prohib-
escolh- selecion- optar opcao opcoes choose- option- elegir eleg-
encontr- achar acha achou localiz- procur- buscar busca find finds found buscar
perder perdi perde perdeu perda extravi- sumiu sumir fugir fugiu roub- furt- lost lose losing stolen
quebr- estrag- danific- dano danos defeit- avaria- break- broken damage- roto rota dana-
consert- repar- arrum- fix repair-
convid- indicar indica indico indicac- recomend- refer referral invit- amigo amigos conhecido conhecidos friend friends
anunci- public- divulg- promov- propaganda post posts advert-
ensin- aprend- aula aulas curso cursos treinament- capacit- learn- teach- course- class classes lesson- oficina oficinas
aluno alunos aluna alunas estudante- student- discipul-
participar participa participac- ingress- join joins
obter obtem obtenho consegu- conquist- ganhar obtain- get gets conseguir
aument- cresc- elev- increase- grow- grew subir
reduz- reduc- diminu- baix- decrease- reduce-
cobre cobrem cobrir cobert- inclu- abrang- contempl- cover covers covered coverage include-
exclu- fora excet- exclude- ficam
garant- seguro segurador- protec- proteg- warrant- guarant- insur- seguros
endereco- localizad- sede situad- fica address- located
cidade- municipio- city cities ciudad- town
empresa- companhia- firma negocio- company companies business- corporac-
produto- artigo- item itens mercadoria- product- good goods
cliente- usuari- consumidor- customer- user users client clients tutor tutores
ferramenta- equipament- aparelho- maquina- dispositiv- instrument- tool tools device- peca pecas
cao caes cachorro- cadela- dog dogs perro-
gato gatos gata gatas cat cats felin-
crianca- filho filhos menores infant- child children nino nina ninos
idade- anos age ages aged edad velho velha idoso idosos
medico medicos medica medicas doutor- doctor- clinica clinicas hospital-
doenca- enferm- patolog- disease- illness-
remedio- medicament- medicin- drug drugs
comida comidas aliment- comer racao food foods refeic-
casa casas resid- domicil- lar moradia- home homes house houses
carro carros veicul- automove- car cars vehicle- coche-
viagem viagens viaj- travel- trip trips viaje-
popular- procurad- comum comuns frequent- preferid- common usual
vantag- benefic- benefit- advantage- ventaja-
problema- dificuld- trouble- issue issues problem problems
razao razoes motiv- causa causas causou causad- reason reasons cause- provoc-
objetiv- finalidad- proposito- goal goals purpose-
tipo tipos categoria- modalidade- especie- plano planos kind kinds type types forma formas
passo passos etapa- procediment- step steps
regra- norma normas politica- condic- rule rules policy policies
limite limites limitad- maximo maxima maior teto ate limit limits maximum
porcentag- percent- por
quantidade- numero numeros total totais amount number
faltar falta faltas faltou comparec- aparecer ausen- miss missed
morrer morre morreu morte mortes falec- obito die dies died death murio muerte
nasc- birth born nacio nacimiento
escrever escreveu escrit- autor autora autores write writes wrote written author- escrib-
produz- produc- fabric- manufactur- produce-
construir construiu constru- ergu- edific- build- built
vencer venceu vencedor- ganhou campea- win wins won winner- gano
guerra guerras conflito- batalha- combate- war wars battle-
presid- lider- chefe chefes dirig- governou governante- leader- chief
estudo estudos estudar pesquis- investig- research- study studies
descobr- identific- detect- discover-
metodo- tecnica- abordag- metodolog- method- technique- approach-
analis- avali- exame exames examin- estim- assess- evaluat- analy-
resultad- consequenc- efeito- impact- result- effect-
ocorr- acontec- happen- occur- suced-
cham- denomin- nome nomes conhecida called named name names llam-
compoe compost- compoem consist- constitu- compos-
idioma- lingua linguas language-
rapid- depressa veloz fast quick- imediat- immediate-
facil faceis simples easy simple-
principal principais important- essencia- main key
diferenc- distin- differ-
lugar lugares local locais sitio place places
dinheiro quantia grana money dinero
loja lojas store- shop shops tienda-
gastar gasto gastei gastos gasta gastou despes- orcament- spend- spent expens- gast
doar doacao doacoes contribu- donat- donac-
fraud- golpe golpes scam-
sucesso exito certo success-
presente presentes brinde brindes premio premios recompens- gift gifts reward- prize- regalo-
arrepend- desist- regret-
recus- rejeit- aceit- accept- reject- rechaz-
fazer faz fazem faco feito feita make makes made hacer hace
"""

HEAD = """/*
 * Words that mean nearly the same, by the groups of tools/answer_kin.py, which made this; not written by hand. In the
 * order of their bytes.
 */
#include "rag/answer_internal.h"

/* clang-format off */
const kin_word eng_kin_words[] = {
%s};
/* clang-format on */

const size_t eng_kin_count = sizeof eng_kin_words / sizeof *eng_kin_words;
"""


def main():
    groups = [g.split() for g in GROUPS.strip().splitlines()]
    pairs = sorted({(w.rstrip("-"), w.endswith("-"), i + 1) for i, g in enumerate(groups) for w in g})
    line, out = "   ", ""
    for w, any_ending, g in pairs:
        text = ' {"%s", %d, %d, %d},' % (w, len(w), any_ending, g)
        if len(line) + len(text) > 99:
            out, line = out + line + "\n", "   "
        line += text
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../src/rag/answer_kin_table.c"), "w", encoding="utf-8") as f:
        f.write(HEAD % (out + line + "\n"))


if __name__ == "__main__":
    main()
