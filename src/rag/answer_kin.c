/*
 * Words that mean nearly the same, by the groups of tools/answer_kin.py, which made this; not written by hand. In the
 * order of their bytes; one that ends in "-" may have any ending.
 */
#include "rag/answer_internal.h"

#include <string.h>

typedef struct {
    const char *word;
    uint8_t group; /* from 1 */
} kin_word;

/* clang-format off */
static const kin_word kin[] = {
    {"abatiment-", 5}, {"aberta", 14}, {"aberto", 14}, {"abertos", 14}, {"abordag-", 98},
    {"abrang-", 56}, {"abre", 14}, {"abrem", 14}, {"acaba", 18}, {"acabar", 18}, {"acabou", 18},
    {"accept-", 118}, {"access-", 23}, {"account-", 19}, {"aceit-", 118}, {"acess-", 23},
    {"acha", 44}, {"achar", 44}, {"achou", 44}, {"acontec-", 101}, {"address-", 59},
    {"aderir", 36}, {"adesao", 36}, {"adquir-", 30}, {"advantage-", 77}, {"advert-", 49},
    {"age", 68}, {"aged", 68}, {"agend-", 35}, {"ages", 68}, {"ajuda", 26}, {"aliment-", 72},
    {"allow-", 42}, {"alquil-", 32}, {"alter-", 25}, {"alug-", 32}, {"aluna", 51}, {"alunas", 51},
    {"aluno", 51}, {"alunos", 51}, {"amigo", 48}, {"amigos", 48}, {"amount", 86}, {"analis-", 99},
    {"analy-", 99}, {"anex-", 33}, {"anos", 68}, {"anular", 21}, {"anunci-", 49}, {"apaga", 20},
    {"apagada", 20}, {"apagado", 20}, {"apagados", 20}, {"apagar", 20}, {"apago", 20},
    {"aparecer", 87}, {"aparelho-", 64}, {"appointment-", 35}, {"approach-", 98}, {"aprend-", 50},
    {"aproveit-", 40}, {"arrepend-", 117}, {"arrum-", 47}, {"artigo-", 62}, {"assess-", 99},
    {"assin-", 36}, {"ate", 84}, {"atende", 26}, {"atendem", 26}, {"atendimento", 26},
    {"atras-", 16}, {"atualiz-", 25}, {"aula", 50}, {"aulas", 50}, {"aument-", 54}, {"ausen-", 87},
    {"author-", 90}, {"automove-", 74}, {"autor", 90}, {"autora", 90}, {"autores", 90},
    {"autoriz-", 42}, {"avali-", 99}, {"avaria-", 46}, {"baix-", 55}, {"barat-", 2}, {"basica", 2},
    {"basico", 2}, {"batalha-", 94}, {"battle-", 94}, {"began", 17}, {"begin-", 17},
    {"benefic-", 77}, {"benefit-", 77}, {"birth", 89}, {"boleto-", 10}, {"book", 35},
    {"booking", 35}, {"born", 89}, {"borrar", 20}, {"break-", 46}, {"brinde", 116},
    {"brindes", 116}, {"broken", 46}, {"build-", 92}, {"built", 92}, {"busca", 44}, {"buscar", 44},
    {"business-", 61}, {"buy", 30}, {"buyer-", 30}, {"buys", 30}, {"cachorro-", 65},
    {"cadastr-", 19}, {"cadela-", 65}, {"caes", 65}, {"called", 102}, {"cambi-", 25},
    {"campea-", 93}, {"cancel-", 21}, {"cao", 65}, {"capacit-", 50}, {"car", 74}, {"carro", 74},
    {"carros", 74}, {"cars", 74}, {"casa", 73}, {"casas", 73}, {"cat", 66}, {"categoria-", 81},
    {"cats", 66}, {"causa", 79}, {"causad-", 79}, {"causas", 79}, {"cause-", 79}, {"causou", 79},
    {"celular", 27}, {"central", 26}, {"certid-", 24}, {"certidao", 24}, {"certo", 115},
    {"cham-", 102}, {"change-", 25}, {"charge-", 1}, {"chat", 26}, {"cheap-", 2}, {"chefe", 95},
    {"chefes", 95}, {"chief", 95}, {"child", 67}, {"children", 67}, {"choose-", 43},
    {"cidade-", 60}, {"cities", 60}, {"city", 60}, {"ciudad-", 60}, {"class", 50}, {"classes", 50},
    {"client", 63}, {"cliente-", 63}, {"clients", 63}, {"clinica", 69}, {"clinicas", 69},
    {"cnpj", 24}, {"cobert-", 56}, {"cobra", 1}, {"cobrada", 1}, {"cobradas", 1}, {"cobrado", 1},
    {"cobrados", 1}, {"cobram", 1}, {"cobranca-", 1}, {"cobrar", 1}, {"cobre", 56}, {"cobrem", 56},
    {"cobrir", 56}, {"coche-", 74}, {"colaborador-", 39}, {"combate-", 94}, {"combinada", 35},
    {"combinar", 35}, {"comeca", 17}, {"comecar", 17}, {"comeco", 17}, {"comecou", 17},
    {"comer", 72}, {"comercializ-", 31}, {"comida", 72}, {"comidas", 72}, {"comienz-", 17},
    {"comision-", 6}, {"comissao", 6}, {"comissoes", 6}, {"common", 76}, {"companhia-", 61},
    {"companies", 61}, {"company", 61}, {"comparec-", 87}, {"complain-", 29}, {"compoe", 103},
    {"compoem", 103}, {"compos-", 103}, {"compost-", 103}, {"compra", 30}, {"comprador-", 30},
    {"comprar", 30}, {"compras", 30}, {"comprovante-", 24}, {"comum", 76}, {"comunicar", 26},
    {"comuns", 76}, {"conclui-", 18}, {"conclus-", 18}, {"condic-", 83}, {"conflito-", 94},
    {"conhecida", 102}, {"conhecido", 48}, {"conhecidos", 48}, {"conquist-", 53}, {"consegu-", 53},
    {"conseguir", 53}, {"consequenc-", 100}, {"consert-", 47}, {"consist-", 103},
    {"constitu-", 103}, {"constru-", 92}, {"construir", 92}, {"construiu", 92},
    {"consumidor-", 63}, {"conta", 19}, {"contact-", 26}, {"contacto-", 26}, {"contas", 19},
    {"contatar", 26}, {"contato-", 26}, {"contempl-", 56}, {"contrasen-", 22}, {"contrat-", 36},
    {"contribu-", 113}, {"convid-", 48}, {"corporac-", 61}, {"cost", 1}, {"costs", 1},
    {"course-", 50}, {"cover", 56}, {"coverage", 56}, {"covered", 56}, {"covers", 56}, {"cpf", 24},
    {"cread-", 37}, {"create-", 37}, {"creo", 37}, {"cresc-", 54}, {"criada", 37}, {"criado", 37},
    {"crianca-", 67}, {"criar", 37}, {"criou", 37}, {"cuenta-", 19}, {"cuesta-", 1},
    {"cuota-", 12}, {"cupom", 5}, {"cupons", 5}, {"curso", 50}, {"cursos", 50}, {"custa", 1},
    {"custam", 1}, {"custar", 1}, {"custo", 1}, {"customer-", 63}, {"custos", 1}, {"custou", 1},
    {"damage-", 46}, {"dana-", 46}, {"danific-", 46}, {"dano", 46}, {"danos", 46}, {"data", 15},
    {"datas", 15}, {"date", 15}, {"dates", 15}, {"day", 15}, {"days", 15}, {"death", 88},
    {"decrease-", 55}, {"defeit-", 46}, {"delay-", 16}, {"deletar", 20}, {"delete-", 20},
    {"deliver-", 34}, {"demora", 13}, {"demoram", 13}, {"demorar", 13}, {"denomin-", 102},
    {"denunci-", 29}, {"depressa", 105}, {"descobr-", 97}, {"descontad-", 5}, {"desconto-", 5},
    {"descuent-", 5}, {"desist-", 21}, {"desist-", 117}, {"despes-", 112}, {"detect-", 97},
    {"device-", 64}, {"devoluc-", 7}, {"devolv-", 7}, {"dia", 15}, {"dias", 15}, {"die", 88},
    {"died", 88}, {"dies", 88}, {"diferenc-", 108}, {"differ-", 108}, {"dificuld-", 78},
    {"diminu-", 55}, {"dinero", 110}, {"dinheiro", 110}, {"dirig-", 95}, {"discipul-", 51},
    {"discount-", 5}, {"discover-", 97}, {"disease-", 70}, {"dispositiv-", 64}, {"distin-", 108},
    {"dividido", 12}, {"dividir", 12}, {"divulg-", 49}, {"doacao", 113}, {"doacoes", 113},
    {"doar", 113}, {"doctor-", 69}, {"document-", 24}, {"doenca-", 70}, {"dog", 65}, {"dogs", 65},
    {"domicil-", 73}, {"dona", 38}, {"donac-", 113}, {"donat-", 113}, {"dono", 38}, {"donos", 38},
    {"doutor-", 69}, {"drug", 71}, {"drugs", 71}, {"dueno-", 38}, {"dura", 13}, {"duracao", 13},
    {"duram", 13}, {"durar", 13}, {"earn", 6}, {"earned", 6}, {"earning-", 6}, {"earns", 6},
    {"easy", 106}, {"economic-", 2}, {"edad", 68}, {"edific-", 92}, {"efeito-", 100},
    {"effect-", 100}, {"eleg-", 43}, {"elegir", 43}, {"elev-", 54}, {"elimin-", 20},
    {"emergenc-", 28}, {"empez-", 17}, {"emplead-", 39}, {"employ-", 39}, {"emprega-", 39},
    {"empresa-", 61}, {"emprest-", 32}, {"encargo-", 11}, {"encerr-", 20}, {"encerr-", 21},
    {"encontr-", 44}, {"ended", 18}, {"endereco-", 59}, {"ends", 18}, {"enferm-", 70},
    {"ensin-", 50}, {"entra", 23}, {"entrar", 23}, {"entreg-", 34}, {"entrega-", 34},
    {"entro", 23}, {"envi-", 33}, {"equipament-", 64}, {"equipe", 39}, {"ergu-", 92},
    {"escolh-", 43}, {"escrever", 90}, {"escreveu", 90}, {"escrib-", 90}, {"escrit-", 90},
    {"especie-", 81}, {"espera", 13}, {"esperar", 13}, {"essencia-", 107}, {"estim-", 99},
    {"estorn-", 7}, {"estrag-", 46}, {"estudante-", 51}, {"estudar", 96}, {"estudo", 96},
    {"estudos", 96}, {"etapa-", 82}, {"evaluat-", 99}, {"exame", 99}, {"exames", 99},
    {"examin-", 99}, {"excet-", 57}, {"exclu-", 20}, {"exclu-", 57}, {"exclude-", 57},
    {"excluir", 20}, {"exig-", 41}, {"exito", 115}, {"expediente", 14}, {"expens-", 112},
    {"extravi-", 45}, {"fabric-", 91}, {"faceis", 106}, {"facil", 106}, {"faco", 119},
    {"factura-", 10}, {"fala", 26}, {"falar", 26}, {"falec-", 88}, {"falo", 26}, {"falta", 87},
    {"faltar", 87}, {"faltas", 87}, {"faltou", 87}, {"fast", 105}, {"fatura", 10}, {"faturas", 10},
    {"faz", 119}, {"fazem", 119}, {"fazer", 119}, {"fecha", 15}, {"fechas", 15}, {"fee", 1},
    {"fees", 1}, {"feita", 119}, {"feito", 119}, {"felin-", 66}, {"ferramenta-", 64}, {"fica", 59},
    {"ficam", 57}, {"filho", 67}, {"filhos", 67}, {"fim", 18}, {"final", 18}, {"finalidad-", 80},
    {"find", 44}, {"finds", 44}, {"fine", 11}, {"fines", 11}, {"finish-", 18}, {"firma", 61},
    {"fix", 47}, {"fone", 27}, {"food", 72}, {"foods", 72}, {"fora", 57}, {"forbid-", 42},
    {"forma", 81}, {"formas", 81}, {"found", 37}, {"found", 44}, {"founded", 37}, {"founder-", 37},
    {"fraud-", 114}, {"free", 3}, {"frequent-", 76}, {"frete", 34}, {"frete-", 34}, {"friend", 48},
    {"friends", 48}, {"fugir", 45}, {"fugiu", 45}, {"funcionamento", 14}, {"funcionari-", 39},
    {"fund-", 37}, {"fundad-", 37}, {"furt-", 45}, {"gana", 6}, {"ganan", 6}, {"ganar", 6},
    {"ganha", 6}, {"ganham", 6}, {"ganhar", 6}, {"ganhar", 53}, {"ganho", 6}, {"ganhos", 6},
    {"ganhou", 6}, {"ganhou", 93}, {"gano", 93}, {"garant-", 58}, {"gast", 112}, {"gasta", 112},
    {"gastar", 112}, {"gastei", 112}, {"gasto", 112}, {"gastos", 112}, {"gastou", 112},
    {"gata", 66}, {"gatas", 66}, {"gato", 66}, {"gatos", 66}, {"get", 53}, {"gets", 53},
    {"gift", 116}, {"gifts", 116}, {"goal", 80}, {"goals", 80}, {"golpe", 114}, {"golpes", 114},
    {"good", 62}, {"goods", 62}, {"governante-", 95}, {"governou", 95}, {"graca", 3},
    {"grana", 110}, {"gratis", 3}, {"gratuit-", 3}, {"grew", 54}, {"grow-", 54}, {"guarant-", 58},
    {"guerra", 94}, {"guerras", 94}, {"hace", 119}, {"hacer", 119}, {"happen-", 101}, {"help", 26},
    {"hire-", 36}, {"hiring", 36}, {"home", 73}, {"homes", 73}, {"hora", 14}, {"horario-", 14},
    {"horas", 14}, {"hospital-", 69}, {"hours", 14}, {"house", 73}, {"houses", 73}, {"idade-", 68},
    {"idealiz-", 37}, {"ideia", 37}, {"identidade", 24}, {"identific-", 97}, {"idioma-", 104},
    {"idoso", 68}, {"idosos", 68}, {"illness-", 70}, {"imediat-", 105}, {"immediate-", 105},
    {"impact-", 100}, {"important-", 107}, {"imposto-", 9}, {"imprescind-", 41}, {"impuesto-", 9},
    {"inclu-", 56}, {"include-", 56}, {"income", 6}, {"increase-", 54}, {"indica", 48},
    {"indicac-", 48}, {"indicar", 48}, {"indico", 48}, {"infant-", 67}, {"ingresos", 6},
    {"ingress-", 52}, {"inicia", 17}, {"iniciar", 17}, {"inicio", 17}, {"inscrev-", 19},
    {"inscri-", 19}, {"installment-", 12}, {"instrument-", 64}, {"insur-", 58}, {"interromp-", 21},
    {"invent-", 37}, {"inventad-", 37}, {"inventou", 37}, {"investig-", 96}, {"invit-", 48},
    {"invoice-", 10}, {"issue", 78}, {"issues", 78}, {"item", 62}, {"itens", 62}, {"join", 52},
    {"joins", 52}, {"junt-", 33}, {"key", 107}, {"kind", 81}, {"kinds", 81}, {"language-", 104},
    {"lar", 73}, {"late", 16}, {"leader-", 95}, {"learn-", 50}, {"lesson-", 50}, {"leva", 13},
    {"levam", 13}, {"lider-", 95}, {"ligar", 27}, {"ligue", 27}, {"limit", 84}, {"limitad-", 84},
    {"limite", 84}, {"limites", 84}, {"limits", 84}, {"lingua", 104}, {"linguas", 104},
    {"llam-", 102}, {"llamar", 27}, {"locac-", 32}, {"locais", 109}, {"local", 109},
    {"localiz-", 44}, {"localizad-", 59}, {"locat-", 32}, {"located", 59}, {"login", 23},
    {"loja", 111}, {"lojas", 111}, {"long", 13}, {"lose", 45}, {"losing", 45}, {"lost", 45},
    {"lowest", 2}, {"lucr-", 6}, {"lugar", 109}, {"lugares", 109}, {"made", 119}, {"main", 107},
    {"maior", 84}, {"make", 119}, {"makes", 119}, {"manda", 33}, {"mandam", 33}, {"mandar", 33},
    {"mando", 33}, {"manufactur-", 91}, {"maquina-", 64}, {"marca", 35}, {"marcad-", 35},
    {"marcar", 35}, {"marco", 35}, {"matricul-", 19}, {"maxima", 84}, {"maximo", 84},
    {"maximum", 84}, {"medica", 69}, {"medicament-", 71}, {"medicas", 69}, {"medicin-", 71},
    {"medico", 69}, {"medicos", 69}, {"menor", 2}, {"menores", 2}, {"menores", 67},
    {"mercadoria-", 62}, {"method-", 98}, {"metodo-", 98}, {"metodolog-", 98}, {"minima", 2},
    {"minimo", 2}, {"miss", 87}, {"missed", 87}, {"modalidade-", 81}, {"modific-", 25},
    {"money", 110}, {"moradia-", 73}, {"morre", 88}, {"morrer", 88}, {"morreu", 88}, {"morte", 88},
    {"mortes", 88}, {"motiv-", 79}, {"muda", 25}, {"mudam", 25}, {"mudanca-", 25}, {"mudar", 25},
    {"muerte", 88}, {"multa", 11}, {"multas", 11}, {"municipio-", 60}, {"murio", 88},
    {"nacimiento", 89}, {"nacio", 89}, {"name", 102}, {"named", 102}, {"names", 102},
    {"nasc-", 89}, {"nasceu", 37}, {"necess-", 41}, {"need", 41}, {"needs", 41}, {"negocio-", 61},
    {"nina", 67}, {"nino", 67}, {"ninos", 67}, {"nome", 102}, {"nomes", 102}, {"norma", 83},
    {"normas", 83}, {"number", 86}, {"numero", 27}, {"numero", 86}, {"numeros", 86}, {"obito", 88},
    {"objetiv-", 80}, {"obrigat-", 41}, {"obtain-", 53}, {"obtem", 53}, {"obtenho", 53},
    {"obter", 53}, {"occur-", 101}, {"ocorr-", 101}, {"oficina", 50}, {"oficinas", 50},
    {"opcao", 43}, {"opcoes", 43}, {"optar", 43}, {"option-", 43}, {"orcament-", 112},
    {"order", 30}, {"orders", 30}, {"ouvidoria", 29}, {"owner-", 38}, {"paga", 4}, {"pagad-", 4},
    {"pagam", 4}, {"pagament-", 4}, {"pagan", 4}, {"pagar", 4}, {"pagas", 4}, {"pago", 4},
    {"pagos", 4}, {"pagou", 4}, {"pague", 4}, {"paid", 4}, {"papeis", 24}, {"papel", 24},
    {"paper-", 24}, {"parcela-", 12}, {"parcelad-", 12}, {"participa", 52}, {"participac-", 52},
    {"participar", 52}, {"passo", 82}, {"passos", 82}, {"password-", 22}, {"patolog-", 70},
    {"pay", 4}, {"paying", 4}, {"payment-", 4}, {"pays", 4}, {"peca", 64}, {"pecas", 64},
    {"pedido", 30}, {"pedidos", 30}, {"penalid-", 11}, {"penalty", 11}, {"percent-", 85},
    {"perda", 45}, {"perde", 45}, {"perder", 45}, {"perdeu", 45}, {"perdi", 45}, {"period-", 13},
    {"permit-", 42}, {"perro-", 65}, {"pesquis-", 96}, {"phone-", 27}, {"place", 109},
    {"places", 109}, {"plano", 81}, {"planos", 81}, {"plantao", 28}, {"plazo-", 13}, {"pode", 42},
    {"podem", 42}, {"policies", 83}, {"policy", 83}, {"politica-", 83}, {"popular-", 76},
    {"por", 85}, {"porcentag-", 85}, {"post", 49}, {"posts", 49}, {"prazo-", 13}, {"precio-", 1},
    {"precis-", 41}, {"preco", 1}, {"precos", 1}, {"preferid-", 76}, {"premio", 116},
    {"premios", 116}, {"presente", 116}, {"presentes", 116}, {"presid-", 95}, {"prestac-", 12},
    {"price-", 1}, {"principais", 107}, {"principal", 107}, {"prize-", 116}, {"problem", 78},
    {"problema-", 78}, {"problems", 78}, {"procediment-", 82}, {"procur-", 44}, {"procurad-", 76},
    {"produc-", 91}, {"produce-", 91}, {"product-", 62}, {"produto-", 62}, {"produz-", 91},
    {"prohib-", 42}, {"proib-", 42}, {"promoc-", 5}, {"promov-", 49}, {"propaganda", 49},
    {"proposito-", 80}, {"proprietari-", 38}, {"protec-", 58}, {"proteg-", 58}, {"provoc-", 79},
    {"public-", 49}, {"purchase-", 30}, {"purpose-", 80}, {"quantia", 110}, {"quantidade-", 86},
    {"quebr-", 46}, {"queixa-", 29}, {"quick-", 105}, {"quit", 21}, {"quitad-", 4}, {"quitar", 4},
    {"racao", 72}, {"rapid-", 105}, {"razao", 79}, {"razoes", 79}, {"reason", 79}, {"reasons", 79},
    {"rebaja-", 5}, {"recebe", 6}, {"recebem", 6}, {"receber", 6}, {"recebida", 6},
    {"recebido", 6}, {"recebimento", 34}, {"recebo", 6}, {"receive-", 6}, {"rechaz-", 118},
    {"recibo-", 10}, {"reclam-", 29}, {"recomend-", 48}, {"recompens-", 116}, {"recus-", 118},
    {"reduc-", 55}, {"reduce-", 55}, {"reduz-", 55}, {"reembols-", 7}, {"refeic-", 72},
    {"refer", 48}, {"referral", 48}, {"refund-", 7}, {"regalo-", 116}, {"regist-", 19},
    {"registr-", 19}, {"regra-", 83}, {"regret-", 117}, {"reject-", 118}, {"rejeit-", 118},
    {"remedio-", 71}, {"remet-", 33}, {"remov-", 20}, {"remunera-", 6}, {"renda", 6}, {"rende", 6},
    {"rendiment-", 6}, {"rent", 32}, {"rental", 32}, {"rents", 32}, {"repair-", 47},
    {"repar-", 47}, {"requer", 41}, {"require-", 41}, {"required", 41}, {"requirement-", 41},
    {"requisit-", 41}, {"rescind-", 21}, {"rescis-", 21}, {"research-", 96}, {"reserv-", 35},
    {"resgat-", 8}, {"resid-", 73}, {"ressarc-", 7}, {"result-", 100}, {"resultad-", 100},
    {"retirada", 8}, {"retiradas", 8}, {"retirar", 8}, {"retiro-", 8}, {"retraso-", 16},
    {"reward-", 116}, {"rg", 24}, {"rota", 46}, {"roto", 46}, {"roub-", 45}, {"rule", 83},
    {"rules", 83}, {"saca", 8}, {"sacar", 8}, {"sair", 21}, {"sale", 31}, {"sales", 31},
    {"saque", 8}, {"saques", 8}, {"scam-", 114}, {"schedule-", 14}, {"sede", 59},
    {"segurador-", 58}, {"seguro", 58}, {"seguros", 58}, {"selecion-", 43}, {"sell-", 31},
    {"send", 33}, {"sends", 33}, {"senha", 22}, {"senhas", 22}, {"sent", 33}, {"ship-", 33},
    {"shop", 111}, {"shops", 111}, {"sign", 19}, {"simple-", 106}, {"simples", 106},
    {"sitio", 109}, {"situad-", 59}, {"sold", 31}, {"spend-", 112}, {"spent", 112}, {"staff", 39},
    {"start-", 17}, {"step", 82}, {"steps", 82}, {"stolen", 45}, {"store-", 111}, {"student-", 51},
    {"studies", 96}, {"study", 96}, {"subir", 54}, {"subscri-", 36}, {"success-", 115},
    {"suced-", 101}, {"sucesso", 115}, {"sumir", 45}, {"sumiu", 45}, {"suporte", 26},
    {"support-", 26}, {"surgi-", 37}, {"swap-", 25}, {"takes", 13}, {"tarda-", 13}, {"tarifa-", 1},
    {"tax", 9}, {"taxa", 1}, {"taxas", 1}, {"taxes", 9}, {"teach-", 50}, {"team", 39},
    {"technique-", 98}, {"tecnica-", 98}, {"telefon-", 27}, {"tempo", 13}, {"termin-", 18},
    {"teto", 84}, {"tienda-", 111}, {"tipo", 81}, {"tipos", 81}, {"tool", 64}, {"tools", 64},
    {"totais", 86}, {"total", 86}, {"town", 60}, {"trabaj-", 39}, {"trabalh-", 39},
    {"transferenc-", 8}, {"transferir", 8}, {"travel-", 75}, {"treinament-", 50}, {"tribut-", 9},
    {"trip", 75}, {"trips", 75}, {"troca", 25}, {"trocar", 25}, {"trocas", 25}, {"troco", 25},
    {"trouble-", 78}, {"tutor", 63}, {"tutores", 63}, {"type", 81}, {"types", 81},
    {"upgrade-", 25}, {"urgenc-", 28}, {"urgente-", 28}, {"usa", 40}, {"usada", 40}, {"usado", 40},
    {"usam", 40}, {"usar", 40}, {"use", 40}, {"used", 40}, {"user", 63}, {"users", 63},
    {"uses", 40}, {"using", 40}, {"uso", 40}, {"usual", 76}, {"usuari-", 63}, {"utiliz-", 40},
    {"utilizar", 40}, {"valor", 1}, {"valores", 1}, {"vantag-", 77}, {"vedad-", 42},
    {"vehicle-", 74}, {"veicul-", 74}, {"velha", 68}, {"velho", 68}, {"veloz", 105},
    {"vencedor-", 93}, {"vencer", 93}, {"venceu", 93}, {"vencid-", 16}, {"venda", 31},
    {"vendas", 31}, {"vende", 31}, {"vendedor-", 31}, {"vendedores", 31}, {"vendem", 31},
    {"vender", 31}, {"vendid-", 31}, {"venta-", 31}, {"ventaja-", 77}, {"vezes", 12},
    {"viagem", 75}, {"viagens", 75}, {"viaj-", 75}, {"viaje-", 75}, {"volta", 7}, {"wait-", 13},
    {"war", 94}, {"warrant-", 58}, {"wars", 94}, {"whatsapp", 27}, {"win", 93}, {"winner-", 93},
    {"wins", 93}, {"withdraw-", 8}, {"won", 93}, {"work", 39}, {"worker-", 39}, {"works", 39},
    {"write", 90}, {"writes", 90}, {"written", 90}, {"wrote", 90},
};
/* clang-format on */

/* The first word that does not stand before these two bytes. */
static size_t begin_at(const char *two)
{
    size_t from = 0, to = sizeof kin / sizeof *kin;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strncmp(kin[middle].word, two, 2) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static bool is(const char *word, eng_str folded)
{
    size_t len = strlen(word);
    if (word[len - 1] == '-')
        return folded.len >= len - 1 && memcmp(word, folded.ptr, len - 1) == 0;
    return folded.len == len && memcmp(word, folded.ptr, len) == 0;
}

size_t eng_word_kin(eng_str folded, uint8_t out[KIN_MAX])
{
    size_t n = 0, count = sizeof kin / sizeof *kin;
    if (folded.len < 2)
        return 0;
    for (size_t i = begin_at(folded.ptr);
         n < KIN_MAX && i < count && memcmp(kin[i].word, folded.ptr, 2) == 0; i++)
        if (is(kin[i].word, folded))
            out[n++] = kin[i].group;
    return n;
}
