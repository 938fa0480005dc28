"""Text ranker: one score for a user's text and an item's text, by a language model or n-grams.

    cross    vector = tower([user tokens; item tokens])        one reading of both texts
    towers   u = tower(user), v = tower(item)                  features [u; v; |u - v|; u * v]
    lexical  bag = sum of n-gram vectors of both texts / sqrt(their number)

    output   = w . hidden(features) + l . bag(user) + m . bag(item) + bias

`cross` lets the texts attend to each other (Nogueira and Cho 2019, https://arxiv.org/abs/1901.04085,
after BERT: Devlin et al. 2019); `towers` reads each alone, as Sentence-BERT's classifier does
(Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084), so that an item's vector serves
every user, and both can be computed beforehand where the language model is frozen. The lexical
path is a linear model of hashed n-grams (Joulin et al. 2017, https://arxiv.org/abs/1607.01759),
joined to the network as in wide and deep learning (Cheng et al. 2016,
https://arxiv.org/abs/1606.07792): it costs next to nothing and knows the exact words, which a
pooled vector blurs.

For a click or a recommendation train with binary cross-entropy from logits, for a rating with
mean squared error.

`network.text_ranker` builds it. It is no model of the zoo's command line: it ranks texts that are
given to it, and has no vocabulary of users and items. `docs/text_ranker.md` shows its training.
"""
